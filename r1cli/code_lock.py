"""Code locks: one hash a stage over the first-party code that it runs, comments and docstrings aside.

DVC sees files, and code is installed: `stages/code.lock/STAGE` is the file that a stage depends on in its
code's stead. Not covered: code reached by names computed at run time (tests/test_rooms.py forbids them),
and third-party packages (constraints.txt pins those).
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.contract.errors import UserError

PACKAGE = "stages"
FOLDER = Path(PACKAGE) / "code.lock"


@dataclass(frozen=True, kw_only=True)
class Module:
    """A source file's name, the hash of its syntax tree, and the first-party modules that it imports."""

    name: str
    digest: str
    imports: frozenset[str]


def lock(root: Path, stage: str, seen: dict[str, Module] | None = None) -> str:
    """SHA-256, in hex, over the names and syntax trees of all modules that a stage reaches.

    Raises:
        UserError: there is no such module, or one of them is no valid Python.
    """
    modules = reached(root, f"{PACKAGE}.{stage}", {} if seen is None else seen)
    text = "".join(f"{module.name} {module.digest}\n" for module in modules)
    return hashlib.sha256(text.encode()).hexdigest()


def out_of_date(root: Path, stages: Sequence[str]) -> dict[str, str]:
    """The stages whose lock file doesn't hold the hash of their code, with that hash."""
    seen: dict[str, Module] = {}
    wanted = {stage: lock(root, stage, seen) for stage in stages}
    return {stage: digest for stage, digest in wanted.items() if _read(root / FOLDER / stage) != digest}


def write(root: Path, digests: Mapping[str, str]) -> None:
    """Write lock files."""
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    for stage, digest in digests.items():
        (root / FOLDER / stage).write_text(f"{digest}\n")


def reached(root: Path, name: str, seen: dict[str, Module]) -> list[Module]:
    """The modules that importing a module may run, itself and its packages included, sorted by name."""
    found: dict[str, Module] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        if current not in seen:
            seen[current] = _module(root, current)
        found[current] = seen[current]
        waiting += seen[current].imports
    return [found[key] for key in sorted(found)]


def _module(root: Path, name: str) -> Module:
    path = _path(root, name)
    if path is None:
        raise UserError(f"there is no module {name} in {root}", hint="r1 graph")
    try:
        tree = ast.parse(path.read_text(), filename=str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"{path.relative_to(root)} is not valid Python ({error})", hint="mend the file") from error
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imports = {parent for found in _imports(root, tree, package) for parent in _with_parents(found)}
    return Module(name=name, digest=digest(tree), imports=frozenset(imports | set(_with_parents(name)) - {name}))


def _imports(root: Path, tree: ast.AST, package: str) -> Iterator[str]:
    """First-party modules named by any import statement, function-local ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _ours(alias.name))
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if not _ours(base):
                continue
            yield base
            # `from stages.rl import loop` names a module, `from stages.rl.loop import train` does not.
            yield from (f"{base}.{alias.name}" for alias in node.names if _path(root, f"{base}.{alias.name}"))


def digest(tree: ast.AST) -> str:
    """SHA-256, in hex, of a syntax tree without positions, docstrings and empty fields.

    Empty fields are left out because newer Pythons add some (3.12: `type_params`).

    >>> digest(ast.parse("x = 1  # one")) == digest(ast.parse("x  =  1"))
    True
    >>> digest(ast.parse("x = 1")) == digest(ast.parse("x = 2"))
    False
    """
    return hashlib.sha256(_dump(tree).encode()).hexdigest()


def _dump(node: object) -> str:
    if isinstance(node, list):
        return "[" + ",".join(_dump(item) for item in node) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for field, value in ast.iter_fields(node):
        if field == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
        if value is not None and value != []:
            parts.append(f"{field}={_dump(value)}")
    return f"{type(node).__name__}({','.join(sorted(parts))})"


def _ours(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def _with_parents(name: str) -> list[str]:
    keys = name.split(".")
    return [".".join(keys[:end]) for end in range(1, len(keys) + 1)]


def _path(root: Path, name: str) -> Path | None:
    path = root / Path(*name.split("."))
    for candidate in (path.with_name(path.name + ".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _read(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ""
