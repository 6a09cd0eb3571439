"""Code locks: what a stage runs changes them, what a reader reads doesn't."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from r1cli import code_lock
from r1cli.params_file import read_params
from stages.contract.errors import UserError
from tests.cli.conftest import ROOT

FILES = {
    "stages/__init__.py": "",
    "stages/grpo.py": '''\
"""Doc."""

from stages.rl import loop


def main():
    """Doc."""
    import stages.late

    return loop.run()
''',
    "stages/late.py": "x = 1\n",
    "stages/rl/__init__.py": "",
    "stages/rl/loop.py": "from .maths import add\n\n\ndef run():\n    return add\n",
    "stages/rl/maths.py": "def add(a, b):\n    return a + b  # sum\n",
    "stages/other.py": "y = 1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_reaches_every_module_that_can_run(root: Path) -> None:
    found = [module.name for module in code_lock.reached(root, "stages.grpo", {})]
    assert found == ["stages", "stages.grpo", "stages.late", "stages.rl", "stages.rl.loop", "stages.rl.maths"]


@pytest.mark.parametrize(
    ("name", "change", "same"),
    [
        ("stages/rl/maths.py", lambda text: text.replace("# sum", "# the sum of both"), True),
        ("stages/rl/maths.py", lambda text: text.replace("    return", '    """Add."""\n    return'), True),
        ("stages/grpo.py", lambda text: "\n\n" + text.replace("Doc.", "Other words."), True),
        ("stages/other.py", lambda text: "y = 2\n", True),
        ("stages/rl/maths.py", lambda text: text.replace("a + b", "a - b"), False),
        ("stages/late.py", lambda text: "x = 2\n", False),
        ("stages/__init__.py", lambda text: "x = 2\n", False),
        (
            "stages/rl/loop.py",
            lambda text: text.replace("add", "add as plus", 1).replace("return add", "return plus"),
            False,
        ),
    ],
)
def test_changes_with_what_runs_only(root: Path, name: str, change: Callable[[str], str], same: bool) -> None:
    before = code_lock.lock(root, "grpo")
    (root / name).write_text(change(FILES[name]))
    assert (code_lock.lock(root, "grpo") == before) is same


def test_renamed_module_is_another_lock(root: Path) -> None:
    before = code_lock.lock(root, "grpo")
    (root / "stages/late.py").rename(root / "stages/later.py")
    (root / "stages/grpo.py").write_text(FILES["stages/grpo.py"].replace("stages.late", "stages.later"))
    assert code_lock.lock(root, "grpo") != before


def test_is_the_same_under_every_python() -> None:
    """3.12 added `type_params` and 3.13 hides empty fields: neither may change a lock."""
    plain = ast.parse("def f(a): return a")
    newer = ast.parse("def f(a): return a")
    newer.body[0]._fields = (*newer.body[0]._fields, "extra")  # type: ignore[misc]
    newer.body[0].extra = []  # type: ignore[attr-defined]
    assert code_lock.digest(plain) == code_lock.digest(newer)


def test_written_locks_are_up_to_date(root: Path) -> None:
    stale = code_lock.out_of_date(root, ["grpo", "other"])
    assert sorted(stale) == ["grpo", "other"]
    code_lock.write(root, stale)
    assert (root / "stages/code.lock/grpo").read_text() == stale["grpo"] + "\n"
    assert code_lock.out_of_date(root, ["grpo", "other"]) == {}


def test_a_stage_without_a_file_is_named(root: Path) -> None:
    with pytest.raises(UserError, match="there is no module stages.sft"):
        code_lock.lock(root, "sft")


def test_this_repositorys_locks_are_up_to_date() -> None:
    stages = read_params(ROOT / "dvc.yaml")["stages"]
    assert isinstance(stages, dict)
    assert code_lock.out_of_date(ROOT, list(stages)) == {}, "run `make code-lock` and commit stages/code.lock"
    assert sorted(path.name for path in (ROOT / code_lock.FOLDER).iterdir()) == sorted(stages)
