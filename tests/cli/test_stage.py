"""A stage's life: run, fail, die, be killed, be asked for twice."""

import fcntl
import json
import os
import signal
import time
from pathlib import Path

import pytest

from r1cli import runs
from r1cli.dispatch.local import LocalExecutor
from r1cli.execute import run_stage
from r1cli.project import find_project
from r1cli.workfolder import clear, finished, prune
from stages.contract.errors import UserError
from stages.contract.manifest import read_manifest
from tests.cli.conftest import PATIENCE_S, Place, begun, gone, worker_of


def stage(place: Place, name: str = "prompts") -> None:
    run_stage(find_project(place.root), name, executor=LocalExecutor())


def work_folders(place: Place, name: str = "prompts") -> list[Path]:
    return sorted((place.root / ".r1" / "work" / name).iterdir())


def test_publishes_what_dvc_yaml_declares_and_records_the_run(place: Place) -> None:
    stage(place)
    stage(place, "zero")
    assert place.files("data") == {
        "metrics/prompts.json": '{\n "rows": 1\n}\n',
        "metrics/zero.json": '{\n "rows": 1\n}\n',
        "plots/zero/curve.tsv": "step\treward\n1\t0.5\n",
        "prompts/deep/state.txt": "x",
        "prompts/rows.txt": "1ok",
        "zero/deep/state.txt": "x",
        "zero/rows.txt": "1ok",
    }
    described = read_manifest(place.root / "data" / "zero" / "manifest.json")
    assert (described.name, described.params) == ("zero", {"seed": 1, "threads": 1})
    assert described.code == (place.root / "stages" / "code.lock" / "zero").read_text().strip()
    assert list(described.inputs) == ["data/prompts"] and set(described.files) == {"deep/state.txt", "rows.txt"}
    run = runs.latest(place.root / ".r1" / "runs")["zero"]
    assert (run.exit_code, run.error, dict(run.figures)) == (0, "", {"reward": 1.0})
    assert run.seconds > 0 and run.max_rss_mb is not None and run.max_rss_mb > 5


def test_job_file_holds_only_the_declared_params(place: Place) -> None:
    stage(place)
    job = json.loads((work_folders(place)[0] / "job.json").read_text())
    data = str(place.root / "data")
    # How often a state is saved, and how long a phase may last, is not for the stage's own eyes, and in no fingerprint.
    assert job == {
        "stage": "prompts",
        "item": "",
        "params": {"seed": 1},
        "deps": ["stages/code.lock/prompts", "mode.txt"],
        "data": data,
        "checkpoints": {},
        "deadlines": {},
    }


def test_same_inputs_are_published_again_without_being_computed(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(place)
    (place.root / "data" / "prompts" / "rows.txt").unlink()
    (place.root / "data" / "prompts" / "stray.txt").write_text("not mine")
    stage(place)
    assert place.calls() == ["prompts"]
    assert "computed before" in capsys.readouterr().out
    assert place.files("data/prompts") == {"deep/state.txt": "x", "rows.txt": "1ok"}


@pytest.mark.parametrize("change", ["param", "dep", "code"])
def test_any_changed_input_is_another_fingerprint(place: Place, change: str) -> None:
    stage(place)
    if change == "param":
        (place.root / "params.yaml").write_text((place.root / "params.yaml").read_text().replace("seed: 1", "seed: 2"))
    elif change == "dep":
        place.set_mode("other")
    else:
        path = place.root / "stages" / "prompts.py"
        path.write_text(path.read_text().replace('"work"', '"toil"'))
        with pytest.raises(UserError, match="code.lock/prompts is out of date"):
            stage(place)
        place.r1("code-lock")
    stage(place)
    assert place.calls() == ["prompts", "prompts"]
    assert len(work_folders(place)) == 2


def test_a_stages_own_error_is_passed_on(place: Place) -> None:
    place.set_mode("wrong")
    with pytest.raises(UserError, match="prompts: the rows are wrong") as caught:
        stage(place)
    assert caught.value.hint == "mend the rows"
    assert not (place.root / "data" / "prompts").exists()
    run = runs.latest(place.root / ".r1" / "runs")["prompts"]
    assert (run.exit_code, run.error) == (2, "prompts: the rows are wrong")


def test_a_fault_of_r1_leaves_its_traceback_in_the_log(place: Place) -> None:
    place.set_mode("bug")
    with pytest.raises(UserError, match="prompts: KeyError: 'inner'") as caught:
        stage(place)
    log = work_folders(place)[0] / "log.txt"
    assert str(log) in caught.value.hint
    assert "Traceback" in log.read_text()


def test_a_dead_worker_is_named_with_its_last_words(place: Place) -> None:
    place.set_mode("die")
    with pytest.raises(UserError) as caught:
        stage(place)
    assert "died without a result (exit code 7)" in caught.value.message
    assert "last words" in caught.value.message
    assert "log.txt" in caught.value.hint


def test_an_attempt_that_failed_leaves_nothing_to_publish(place: Place) -> None:
    place.set_mode("die")
    with pytest.raises(UserError):
        stage(place)
    folder = work_folders(place)[0]
    (folder / "out" / "half.txt").write_text("half")
    with pytest.raises(UserError):
        stage(place)
    assert not (folder / "out" / "half.txt").exists()


def test_a_stage_that_forgets_its_metrics_publishes_nothing(place: Place) -> None:
    place.set_mode("mute")
    with pytest.raises(UserError, match="without writing data/metrics/prompts.json"):
        stage(place)
    assert not (place.root / "data").exists()


def test_an_orphan_publishes_nothing_and_keeps_its_result(place: Place) -> None:
    parents = iter([100, 1])
    with pytest.raises(UserError, match="nothing is published"):
        run_stage(find_project(place.root), "prompts", executor=LocalExecutor(), parent=lambda: next(parents))
    assert not (place.root / "data").exists()
    stage(place)
    assert place.calls() == ["prompts"]
    assert place.files("data/prompts")["rows.txt"] == "1ok"


def test_a_stopped_stage_takes_its_worker_along(place: Place) -> None:
    place.set_mode("hang")
    process = place.start("r1", "stage", "prompts")
    worker = worker_of(place)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "prompts was stopped by SIGINT; nothing was published, what was saved last is kept" in out
    assert gone(worker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_stage_that_is_asked_to_stop_saves_its_step(place: Place, number: signal.Signals) -> None:
    place.set_mode("loop")
    process = place.start("r1", "stage", "prompts")
    worker_of(place)
    begun(place)
    process.send_signal(number)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + number and (place.root / "saved").exists()
    assert f"prompts was stopped by {number.name}; nothing was published, its last step is saved" in out
    assert "hint: r1 run prompts" in out


def test_a_worker_that_alone_is_asked_to_stop_is_no_failure(place: Place) -> None:
    place.set_mode("loop")
    process = place.start("r1", "stage", "prompts")
    worker = worker_of(place)
    begun(place)
    os.kill(worker, signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143 and "prompts was stopped by SIGTERM" in out and "last step is saved" in out


def test_a_second_signal_ends_a_stage_at_once(place: Place) -> None:
    place.set_mode("long step")
    process = place.start("r1", "stage", "prompts")
    worker = worker_of(place)
    begun(place)
    process.send_signal(signal.SIGINT)
    time.sleep(1.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)  # less than the grace period
    assert process.returncode == 130 and gone(worker) and not (place.root / "saved").exists()


def test_a_step_that_outlasts_the_grace_period_is_ended(place: Place) -> None:
    place.set_mode("long step")
    params = place.root / "params.yaml"
    params.write_text(params.read_text() + "checkpoints: {grace_s: 0.5}\n")
    process = place.start("r1", "stage", "prompts")
    worker_of(place)
    begun(place)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=40)  # less than the step takes
    assert process.returncode == 143 and "the step didn't end within 0.5 s, what was saved before it is kept" in out


def test_a_killed_starter_takes_its_worker_along(place: Place) -> None:
    place.set_mode("hang")
    process = place.start("r1", "stage", "prompts")
    worker = worker_of(place)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    assert gone(worker)


def test_a_second_process_waits_for_the_first(place: Place) -> None:
    stage(place)
    with (work_folders(place)[0] / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = place.start("r1", "stage", "prompts")
        assert process.stdout is not None
        assert "another process works on exactly this" in process.stdout.readline()
        assert process.poll() is None
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, out
    assert place.calls() == ["prompts"]


@pytest.mark.parametrize(("ended", "stays"), [('{"ok": true}', False), ('{"ok": false}', True), ("", True)])
def test_what_is_resumed_from_outlives_an_attempt_that_failed_only(tmp_path: Path, ended: str, stays: bool) -> None:
    (tmp_path / "steps" / "grpo").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "result.json").write_text(ended)
    clear(tmp_path)
    assert (tmp_path / "steps" / "grpo").exists() == stays and not (tmp_path / "out").exists()


def test_a_finished_stage_leaves_no_states(place: Place) -> None:
    stage(place)
    assert not (work_folders(place)[0] / "steps").exists()


def test_only_the_newest_finished_work_folders_are_kept(tmp_path: Path) -> None:
    for number, done in enumerate([True, True, False, True]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps({"ok": done}))
        os.utime(folder / "result.json", (number, number))
    prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]
    assert finished(tmp_path / "3") and not finished(tmp_path / "2")
