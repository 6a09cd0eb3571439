"""The words of `r1 status`, and what a run would do."""

import fcntl
from dataclasses import replace
from pathlib import Path

from r1cli.pipeline import Stage, Standing
from r1cli.runs import Run
from r1cli.status import plan, statuses


def standing(
    name: str,
    *upstream: str,
    never: bool = False,
    deps: dict[str, str] | None = None,
    params: tuple[str, ...] = (),
    outs: dict[str, str] | None = None,
    cmd: bool = False,
) -> Standing:
    stage = Stage(name=name, desc="", cmd="", deps=(), params=(), outs=(), metrics=(), plots=(), gpus=0)
    return Standing(
        stage=stage,
        upstream=upstream,
        never=never,
        changed_deps=deps or {},
        changed_params=params,
        changed_outs=outs or {},
        changed_cmd=cmd,
    )


def run(name: str, code: int | None, error: str = "") -> Run:
    return Run(
        stage=name,
        fingerprint="f",
        started="2026-01-01T00:00:00+00:00",
        host="h",
        exit_code=code,
        seconds=3.0,
        error=error,
    )


def words(standings: list[Standing], runs: list[Run], work: Path) -> dict[str, tuple[str, str]]:
    return {s.stage: (s.word, s.why) for s in statuses(standings, {r.stage: r for r in runs}, work, work)}


def test_every_word(tmp_path: Path) -> None:
    standings = [
        standing("prompts"),
        standing("base", "prompts", params=("base.steps", "base.lr", "seed", "threads"), cmd=True),
        standing("zero", "base"),
        standing("grpo", deps={"stages/code.lock/grpo": "modified", "data/x": "deleted"}),
        standing("sft", outs={"data/sft": "modified"}),
        standing("align", never=True),
        standing("report", never=True),
        standing("evaluate@a", never=True),
    ]
    runs = [run("prompts", 0), run("align", 2, "align: no rows\nmore"), run("report", None)]
    assert words(standings, runs, tmp_path) == {
        "prompts": ("fresh", ""),
        "base": ("stale", "its command changed; params: base.steps, base.lr, seed and 1 more"),
        "zero": ("stale", "after base"),
        "grpo": ("stale", "its code changed; inputs: data/x (deleted)"),
        "sft": ("stale", "outputs: data/sft (modified)"),
        "align": ("failed", "align: no rows"),
        "report": ("stopped", "its process was killed"),
        "evaluate@a": ("never", ""),
    }


def test_a_held_lock_means_running(tmp_path: Path) -> None:
    folder = tmp_path / "zero" / "f"
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert words([standing("zero", never=True)], [run("zero", None)], tmp_path)["zero"] == ("running", "")
    assert words([standing("zero", never=True)], [run("zero", None)], tmp_path)["zero"][0] == "stopped"


def test_a_run_that_was_asked_to_end_is_no_failure(tmp_path: Path) -> None:
    told = "zero was stopped by SIGTERM; nothing was published, its last step is saved"
    assert words([standing("zero", never=True)], [run("zero", 143, told)], tmp_path)["zero"] == ("stopped", told)


def test_a_failure_that_was_overcome_is_forgotten(tmp_path: Path) -> None:
    assert words([standing("zero")], [run("zero", 2)], tmp_path)["zero"] == ("fresh", "")


def test_plan_names_what_may_follow() -> None:
    standings = [
        standing("prompts"),
        standing("base", "prompts", params=("seed",)),
        standing("zero", "base"),
        standing("other", "prompts"),
    ]
    names = ["prompts", "base", "zero"]
    assert plan(standings, names, single=False, force=False) == [
        ("base", "params: seed"),
        ("zero", "if the output of base changes"),
    ]
    assert plan(standings, ["zero"], single=True, force=False) == []
    assert plan(standings, ["zero"], single=True, force=True) == [("zero", "forced")]


def test_a_stage_says_which_share_of_its_verdicts_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "zero.json").write_text('{"unknown": 0.25}')
    (tmp_path / "grpo.json").write_text("no json")
    measured = [
        replace(one, stage=replace(one.stage, metrics=(f"{one.stage.name}.json",)))
        for one in (standing("zero"), standing("grpo"), standing("sft"))
    ]
    found = {s.stage: s.unknown for s in statuses(measured, {}, tmp_path, tmp_path)}
    assert found == {"zero": 0.25, "grpo": None, "sft": None}
