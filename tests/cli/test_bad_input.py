"""Everything a user can get wrong: `error:` and `hint:`, a non-zero exit, nothing lost, no traceback."""

import errno
import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Place, Run


def replace_text(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return change


def remove(path: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        target = root / path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    return change


def nothing(root: Path) -> None: ...


CASES = [
    # what is done to the project, the command, the error, the hint
    ("unknown stage", nothing, "run promts", "unknown stage 'promts' (did you mean prompts?)", "r1 graph"),
    (
        "unknown item",
        nothing,
        "run distill@smal",
        "unknown stage 'distill@smal' (did you mean distill@small?)",
        "r1 graph",
    ),
    ("unknown stage, hidden command", nothing, "stage zeros", "unknown stage 'zeros' (did you mean zero?)", "r1 graph"),
    ("unknown profile", nothing, "profile use wid", "unknown profile 'wid' (did you mean wide?)", "r1 profile list"),
    (
        "unknown profile to show",
        nothing,
        "profile show x",
        "unknown profile 'x' (there are: tiny, wide)",
        "r1 profile list",
    ),
    (
        "unknown param",
        replace_text("params.yaml", "threads", "thread"),
        "run prompts",
        "unknown param thread (did you mean threads?)",
        "r1 profile show",
    ),
    (
        "impossible param",
        replace_text("params.yaml", "embedded", "embeded"),
        "run prompts",
        "rollout.engine: 'embeded' is not one of embedded, vllm",
        "r1 run STAGE --set",
    ),
    (
        "impossible param, plain dvc",
        replace_text("params.yaml", "seed: 1", "seed: x"),
        "stage prompts",
        "seed: expected int, got 'x'",
        "r1 profile show",
    ),
    (
        "missing param",
        replace_text("params.yaml", "seed: 1", ""),
        "stage prompts",
        "params.yaml lacks seed",
        "r1 profile show",
    ),
    ("no params.yaml", remove("params.yaml"), "run prompts", "params.yaml is missing", "r1 profile use tiny"),
    (
        "YAML syntax",
        replace_text("params.yaml", "seed: 1", "seed: [1"),
        "run prompts",
        "params.yaml, line",
        "edit params.yaml",
    ),
    (
        "no sections",
        lambda root: (root / "params.yaml").write_text("- 1\n"),
        "run prompts",
        "params.yaml: expected sections, got [1]",
        "r1 profile use",
    ),
    (
        "a binary file",
        lambda root: (root / "params.yaml").write_bytes(b"\xff\xfe\x00"),
        "run prompts",
        "params.yaml cannot be read",
        "r1 profile use",
    ),
    ("not KEY=VALUE", nothing, "run prompts --set seed", "--set seed: expected KEY=VALUE", "r1 run grpo --set"),
    ("unknown key", nothing, "run prompts --set sed=2", "unknown param sed (did you mean seed?)", "r1 profile show"),
    ("impossible value", nothing, "run prompts --set seed=high", "seed: expected int, got 'high'", "r1 profile show"),
    (
        "a value that is no YAML",
        nothing,
        "run prompts --set seed=[",
        "--set seed=[: the value is not valid YAML",
        "r1 run grpo --set",
    ),
    ("no git repository", remove(".git"), "run prompts", "is no git repository", "git init"),
    ("no DVC repository", remove(".dvc"), "run prompts", ".dvc is missing", "dvc init"),
    ("no project", remove("dvc.yaml"), "status", "is in no r1 project", "cd to"),
    (
        "broken dvc.yaml",
        replace_text("dvc.yaml", "cmd: exec r1 stage zero", "cmdd: x"),
        "run prompts",
        "dvc.yaml' validation failed",
        "dvc stage list",
    ),
    ("missing dep", remove("mode.txt"), "stage prompts", "prompts: mode.txt is missing", "r1 code-lock"),
    (
        "code lock out of date",
        remove("stages/code.lock/prompts"),
        "run prompts",
        "code changed since its lock was written: prompts",
        "r1 code-lock",
    ),
    (
        "code that is no Python",
        replace_text("stages/prompts.py", "def main", "deff main"),
        "run prompts",
        "stages/prompts.py is not valid Python",
        "mend",
    ),
    ("no report", nothing, "report", "there is no report yet", "r1 run report"),
    ("adopting what never ran", nothing, "adopt prompts", "prompts can't be adopted", "r1 status"),
    (
        "a profile of unknown origin",
        replace_text("params.yaml", "profile: tiny", "profile: mine"),
        "profile use wide",
        "is of profile 'mine'",
        "cp profiles/wide.yaml",
    ),
]


@pytest.mark.parametrize(
    ("change", "command", "error", "hint"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_is_told_and_harms_nothing(
    place: Place, r1: Run, change: Callable[[Path], None], command: str, error: str, hint: str
) -> None:
    (place.root / "data" / "prompts").mkdir(parents=True)
    (place.root / "data" / "prompts" / "rows.txt").write_text("earlier")
    change(place.root)
    params = (place.root / "params.yaml").read_bytes() if (place.root / "params.yaml").exists() else None
    code, out, err = r1(*command.split())
    assert code == 1
    lines = err.splitlines()
    assert lines[0].startswith("error: ") and error in err, err
    assert lines[-1].startswith("hint: ") and hint in lines[-1], err
    assert "Traceback" not in out + err
    assert (place.root / "data" / "prompts" / "rows.txt").read_text() == "earlier"
    assert ((place.root / "params.yaml").read_bytes() if params is not None else None) == params
    assert place.calls() == []


def test_no_dvc_beside_r1(place: Place, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, _, err = r1("run", "prompts")
    assert code == 1 and err.startswith("error: DVC is not installed beside r1\nhint: pip install")


def test_no_git_on_the_machine(place: Place, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, err = r1("run", "prompts")
    assert code == 1 and err.startswith("error: git is not installed\nhint: ")


def test_a_disk_that_fills_while_params_are_written(place: Place, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (place.root / "params.yaml").read_text()
    _fill_disk_at(monkeypatch, "params.yaml")
    code, _, err = r1("profile", "use", "wide")
    assert code == 1 and "error: No space left on device" in err and "hint: free some space" in err
    assert (place.root / "params.yaml").read_text() == before
    assert not list(place.root.glob("*.part"))


def test_a_disk_that_fills_while_publishing(place: Place, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        _fill_disk_at(full, "rows.txt")
        code, _, err = r1("stage", "prompts")
        assert code == 1 and "error: No space left on device" in err and "what is finished is kept" in err
    code, out, _ = r1("stage", "prompts")
    assert code == 0 and "computed before" in out
    assert place.calls() == ["prompts"]
    assert place.files("data/prompts") == {"deep/state.txt": "x", "rows.txt": "1ok"}


def test_debug_shows_the_traceback_too(place: Place, r1: Run) -> None:
    code, _, err = r1("--debug", "run", "promts")
    assert code == 1 and "Traceback" in err and "error: unknown stage" in err


def test_a_fault_of_r1_is_no_traceback_either(place: Place, r1: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r1cli.params_file.profile_names", lambda profiles: 1 / 0)
    code, _, err = r1("profile", "list")
    assert (
        code == 1
        and err.startswith("error: ZeroDivisionError: ")
        and "r1 --debug profile list" in err
        and "Traceback" not in err
    )


def _fill_disk_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = os.replace

    def full(source: str | Path, target: str | Path) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
