"""The statement of what bits depend on: it names what the stages really use, and nothing of this machine or moment."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stages.contract.determinism import ENGINE, GRADING, LIBRARIES, SAMPLERS_OWN, TIME_LIMITS, determinism
from stages.contract.params import Params, Rollout
from tests.stages import small

ROOT = Path(__file__).parents[2]
FETCHING = {"huggingface_hub", "ruamel"}  # brings files, which are then compared by their content


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_the_libraries_are_those_that_stages_import() -> None:
    every = set().union(*(_imported(path) for path in (ROOT / "stages").rglob("*.py")))
    assert every - set(sys.stdlib_module_names) - {"stages", "_sitebuiltins"} - FETCHING == {
        *LIBRARIES,
        SAMPLERS_OWN[0],
    }


def test_the_grading_stages_are_those_that_call_a_grader() -> None:
    calls = {"reinforce", "sampled_rows", "sample_tasks", "grade"}
    found = set()
    for path in (ROOT / "stages").glob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        if names & calls:
            found.add(path.stem)
    # The judge's samples are general prompts, which no rule grades; reward_check is a tool.
    assert found - {"reward_model", "reward_check"} == set(GRADING)


@pytest.mark.parametrize(
    ("stage", "engine", "told"),
    [
        ("zero", "embedded", [TIME_LIMITS]),
        ("zero", "vllm", [TIME_LIMITS, ENGINE]),
        ("cold_sft", "vllm", []),
        ("prompts", None, []),
    ],
)
def test_what_stays_open_is_named(stage: str, engine: str | None, told: list[str]) -> None:
    rollout = Rollout(engine=engine, template="tiny", batch=8) if engine else None  # type: ignore[arg-type]
    assert determinism(stage, Params(threads=2, rollout=rollout), {"torch": "1"}).open == told


def test_near_duplicates_depend_on_the_library_that_sketches_them() -> None:
    rejection = small.params().rejection
    assert rejection is not None
    for similarity, named in ((0.8, True), (0.0, False)):
        params = Params(rejection=replace(rejection, near_duplicates=similarity))
        assert ("rensa" in determinism("rejection", params, {}).libraries) == named


def test_only_loaded_libraries_are_named_with_their_versions() -> None:
    code = "from stages.contract.determinism import loaded_versions; print(loaded_versions())"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == f"{{'python': '{sys.version_info.major}.{sys.version_info.minor}'}}\n"
