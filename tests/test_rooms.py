"""DESIGN's house rules, read off the syntax trees: who may import whom, and one home for each heavy package."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ROOT / "stages"
TOGETHER = "assembly"  # a part of the stage files: it brings rooms together as they do
ROOMS = {path.parent.name for path in STAGES.glob("*/__init__.py")} - {TOGETHER}
NEIGHBOURS = {("rewards", "sandbox")}  # the exceptions to "nothing sideways"
HOMES = {
    "vllm": {"stages/rollout/vllm.py"},
    "deepspeed": {"stages/model/trainer.py"},
    "mpmath": {"stages/rewards/precise.py"},
    "sympy": {"stages/rewards/symbolic.py"},
    "ray": {"r1cli/dispatch/spread.py"},
    "dvc": {"r1cli/pipeline.py"},
    "rich": {"r1cli/console.py"},
}
CONTRACT_MAY = {"stages", "polars"}  # beside the standard library
# Runs what models write, in the sandbox; of our own code it runs only a constant of its own.
EXECUTES = {"stages/sandbox/payload.py": {"exec", "compile"}}
# What the sandbox's clean process consists of: the standard library, and these.
CLEAN = {f"stages.sandbox.{part}" for part in "zygote payload isolation kernel seccomp syscalls limits plain".split()}
UNSEEN = {"__import__", "eval", "exec", "compile", "import_module", "run_module", "run_path"}


@cache
def imports(path: Path) -> frozenset[str]:
    """The full names of the modules (and of names in them) that a file imports anywhere."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    return frozenset(_imports(ast.parse(path.read_text()), package))


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("path", files("r1cli"), ids=name)
def test_r1cli_knows_of_stages_the_contract_only_and_never_torch(path: Path) -> None:
    for module in imports(path):
        assert not inside(module, "stages") or module == "stages" or inside(module, "stages.contract"), module
        assert not any(inside(module, heavy) for heavy in ("torch", "transformers", "numpy")), module


@pytest.mark.parametrize("path", files("stages"), ids=name)
def test_stages_never_import_r1cli(path: Path) -> None:
    assert not [module for module in imports(path) if inside(module, "r1cli")]


@pytest.mark.parametrize(
    "path", [path for path in files("stages") if path.relative_to(STAGES).parts[0] in ROOMS], ids=name
)
def test_rooms_import_the_contract_and_nothing_sideways(path: Path) -> None:
    room = path.relative_to(STAGES).parts[0]
    for module in imports(path):
        keys = module.split(".")
        if keys[0] != "stages" or len(keys) == 1:
            continue
        allowed = {room, "contract"} | {other for own, other in NEIGHBOURS if own == room}
        assert keys[1] in allowed, f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", files("stages/contract"), ids=name)
def test_the_contract_needs_polars_at_most(path: Path) -> None:
    for module in imports(path):
        top = module.split(".")[0]
        assert top in CONTRACT_MAY or top in sys.stdlib_module_names, module


@pytest.mark.parametrize("package", HOMES)
def test_heavy_packages_have_one_home(package: str) -> None:
    found = {
        name(path)
        for path in [*files("r1cli"), *files("stages")]
        for module in imports(path)
        if inside(module, package)
    }
    assert found <= HOMES[package], f"{package} is imported outside its home"


def test_only_stage_files_bring_rooms_together() -> None:
    """And a stage file is no library: no other file imports it."""
    stage_files = {path.stem for path in STAGES.glob("*.py")} - {"__init__"}
    for path in files("stages"):
        used = {module.split(".")[1] for module in imports(path) if module.startswith("stages.")}
        assert not used & stage_files, f"{name(path)} imports a stage"


@pytest.mark.parametrize("path", files("stages"), ids=name)
def test_no_code_runs_that_a_code_lock_cannot_see(path: Path) -> None:
    """Code locks follow import statements: nothing may be imported or evaluated by a computed name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = (
                node.func.id
                if isinstance(node.func, ast.Name)
                else node.func.attr
                if isinstance(node.func, ast.Attribute)
                else ""
            )
            # `re.compile` is another thing; so is `model.eval()`.
            builtin = isinstance(node.func, ast.Name) or called not in {"compile", "eval", "exec"}
            unseen = UNSEEN - EXECUTES.get(name(path), set())
            assert not (called in unseen and builtin), f"{name(path)}:{node.lineno} calls {called}"


@pytest.mark.parametrize("module", sorted(CLEAN))
def test_the_sandbox_runs_programs_from_a_process_without_anything_else(module: str) -> None:
    for found in imports(ROOT / (module.replace(".", "/") + ".py")):
        keys = found.split(".")
        clean = found == "stages.sandbox" or any(inside(found, part) for part in CLEAN)
        assert clean if keys[0] == "stages" else keys[0] in sys.stdlib_module_names, found


def test_every_room_is_a_package() -> None:
    folders = {path.parent.relative_to(STAGES).parts[0] for path in STAGES.glob("*/*.py")}
    assert folders == ROOMS | {TOGETHER}
