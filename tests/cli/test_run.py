"""`r1 run` and `dvc repro` over the whole project: the same way, the same dvc.lock."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess

import pytest

from r1cli import pipeline
from stages.contract.manifest import read_manifest
from tests.cli.conftest import PATIENCE_S, Place, Run, dvc, gone, worker_of


def git(place: Place, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=place.root, check=True, capture_output=True, text=True).stdout


def test_r1_run_and_dvc_repro_write_the_same_lock(place: Place, r1: Run) -> None:
    twin = Place(root=place.root.parent / "twin")
    shutil.copytree(place.root, twin.root)
    done = place.r1("run", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    done = dvc(twin, "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (place.root / "dvc.lock").read_bytes() == (twin.root / "dvc.lock").read_bytes()
    assert place.calls() == ["prompts", "zero", "distillsmall", "distillbig"]
    # DVC's autostage passes over metrics and plots; r1 adds them.
    staged = git(place, "diff", "--cached", "--name-only").split()
    assert staged == sorted(
        ["dvc.lock", *(f"data/{name}" for name in place.files("data") if name.startswith(("metrics/", "plots/")))]
    )

    # Nothing is stale now; a comment in a stage's code changes nothing, a param does.
    (place.root / "stages" / "zero.py").open("a").write("# a remark\n")
    assert r1("run", "all", "--dry-run")[1] == "nothing would run: all is fresh\n"
    changed = place.r1("run", "prompts", "--set", "seed=3")
    assert changed.returncode == 0 and place.calls()[4:] == ["prompts"]
    assert (place.root / "params.yaml").read_text().splitlines()[1] == "seed: 3 # the seed"

    told = {line["stage"]: (line["word"], line["why"]) for line in json.loads(r1("status", "--json")[1])}
    assert told["prompts"] == ("fresh", "")
    assert told["zero"] == ("stale", "params: seed; inputs: data/prompts (modified)")
    assert r1("run", "zero", "--dry-run")[1].splitlines() == [
        "zero: params: seed; inputs: data/prompts (modified)",
        "1 stage would run",
    ]

    # Back to the first params: DVC's run-cache knows the result, nothing is computed.
    assert place.r1("run", "all", "--set", "seed=1").returncode == 0
    assert len(place.calls()) == 5
    assert (place.root / "dvc.lock").read_bytes() == (twin.root / "dvc.lock").read_bytes()

    # Forced means computed, though a finished work folder is there.
    assert place.r1("run", "zero", "-s", "-f").returncode == 0
    assert place.calls()[5:] == ["zero"]


def test_a_failed_stage_gives_back_the_artifacts_of_the_last_good_run(place: Place, r1: Run) -> None:
    assert place.r1("run", "prompts").returncode == 0
    lock = (place.root / "dvc.lock").read_bytes()
    before = place.files("data")
    place.set_mode("wrong")
    done = place.r1("run", "prompts")
    assert done.returncode == 1
    assert "error: prompts: the rows are wrong\nhint: mend the rows\n" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert place.files("data") == before
    assert (place.root / "dvc.lock").read_bytes() == lock
    told = {line["stage"]: (line["word"], line["why"]) for line in json.loads(r1("status", "--json")[1])}
    assert told["prompts"] == ("failed", "prompts: the rows are wrong")
    assert told["zero"] == ("never", "")


def test_adopt_records_a_refactor_without_running_it_and_nothing_else(place: Place, r1: Run) -> None:
    assert place.r1("run", "prompts").returncode == 0
    path = place.root / "stages" / "prompts.py"
    path.write_text(path.read_text().replace("mode = (", "found = mode = ("))
    code, _, err = r1("run", "prompts")
    assert code == 1 and "code changed since its lock was written: prompts" in err
    assert r1("code-lock")[1] == "renewed: prompts\n"
    assert r1("run", "prompts", "--dry-run")[1].splitlines()[0] == "prompts: its code changed"
    assert r1("adopt", "prompts") == (0, "prompts: recorded in dvc.lock without running it\n", "")
    lock = (place.root / "stages" / "code.lock" / "prompts").read_text().strip()
    assert read_manifest(place.root / "data" / "prompts" / "manifest.json").code == lock
    assert r1("run", "prompts", "--dry-run")[1] == "nothing would run: all is fresh\n"
    place.set_mode("other")
    code, _, err = r1("adopt", "prompts")
    assert code == 1 and "more than its code has changed" in err


def test_experiments_show_params_and_metrics(place: Place) -> None:
    assert place.r1("run", "prompts").returncode == 0
    git(place, "commit", "-qam", "run")
    done = dvc(place, "exp", "run", "-q", "-n", "trial", "-S", "seed=5", "prompts")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = csv.DictReader(io.StringIO(dvc(place, "exp", "show", "--csv").stdout))
    assert {(row["Experiment"] or row["rev"], row["rows"], row["seed"]) for row in shown} >= {
        ("main", "1", "1"),
        ("trial", "5", "5"),
    }
    compared = json.loads(dvc(place, "metrics", "diff", "--json").stdout)
    assert compared["data/metrics/prompts.json"]["rows"] == {"old": 1, "new": 5, "diff": 4}


def test_a_killed_dvc_leaves_nothing_running_and_the_next_run_is_the_same(place: Place) -> None:
    twin = Place(root=place.root.parent / "twin")
    shutil.copytree(place.root, twin.root)
    place.set_mode("hang")
    process = place.start("dvc", "repro", "prompts")
    worker = worker_of(place)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    assert gone(worker)
    assert not (place.root / "data" / "prompts").exists()
    place.set_mode("ok")
    for one in (place, twin):
        assert dvc(one, "repro", "prompts").returncode == 0
    assert (place.root / "dvc.lock").read_bytes() == (twin.root / "dvc.lock").read_bytes()


@pytest.mark.parametrize("whom", ["the terminal's processes", "r1 alone"])
def test_ctrl_c_and_sigterm_stop_the_stage_and_keep_the_last_good_run(place: Place, whom: str) -> None:
    assert place.r1("run", "prompts").returncode == 0
    before = place.files("data")
    place.set_mode("hang")
    process = place.start("r1", "run", "prompts", own_group=True)
    worker = worker_of(place)
    if whom == "r1 alone":
        process.send_signal(signal.SIGTERM)
    else:
        os.killpg(os.getpgid(process.pid), signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE_S)
    name, code = ("SIGTERM", 143) if whom == "r1 alone" else ("SIGINT", 130)
    assert process.returncode == code
    assert f"prompts was stopped by {name}; nothing was published" in out and "Traceback" not in out
    assert gone(worker)
    assert place.files("data") == before


def test_stages_side_by_side_leave_the_lock_of_a_serial_run(place: Place) -> None:
    twin = Place(root=place.root.parent / "twin")
    shutil.copytree(place.root, twin.root)
    assert twin.r1("run", "all").returncode == 0
    # The first of the two items takes longer, so that its entry comes last.
    (place.root / "slow").write_text("small")
    done = place.r1("run", "all", "-j", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(place.calls()) == ["distillbig", "distillsmall", "prompts", "zero"]
    ours, theirs = (pipeline.lock_order(one.root) for one in (place, twin))
    assert ours == theirs == ["prompts", "zero", "distill@small", "distill@big"]
    assert dvc(place, "status").stdout.strip() == "Data and pipelines are up to date."
    assert (place.root / "dvc.lock").read_bytes() == (twin.root / "dvc.lock").read_bytes()


def test_a_failure_side_by_side_ends_the_run_and_a_kill_is_cleaned_up_after(place: Place) -> None:
    place.set_mode("wrong")
    done = place.r1("run", "all", "-j", "3")
    assert done.returncode == 1 and "the rows are wrong" in done.stdout and place.calls() == ["prompts"]
    place.set_mode("ok")
    assert place.r1("run", "all").returncode == 0
    serial = (place.root / "dvc.lock").read_bytes()
    # As a killed parallel run leaves it: out of order, with the note of how it was.
    pipeline.sort_lock(place.root, ["distill@big", "zero"])
    assert pipeline.lock_order(place.root)[0] == "distill@big"
    (place.root / ".r1" / "lock-order.json").write_text('["prompts"]')
    assert place.r1("run", "all").returncode == 0
    assert (place.root / "dvc.lock").read_bytes() == serial
