"""r1.toml: where stages run. It changes no result, so DVC doesn't track it and no fingerprint holds it.

executor = "slurm"      # of what is not said here, the defaults below hold
gpus_per_node = 8

[stages.grpo]           # what one stage is given instead
nodes = 4

[slurm]                 # the executor's own
partition = "gpu"
"""

import difflib
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from r1cli.dispatch.job import Resources
from stages.contract.errors import UserError

NAME = "r1.toml"
_HINT = "docs/cluster.md shows every key"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What r1.toml says. `tables` are the executors' own, by name, not yet looked into."""

    executor: str = "local"
    resources: Resources = field(default_factory=Resources)
    stages: Mapping[str, Resources] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def of(self, stage: str) -> Resources:
        """What a stage is given: `distill@small` its own, or that of `distill`, or what all are."""
        return self.stages.get(stage) or self.stages.get(stage.partition("@")[0]) or self.resources


def read(path: Path, *, executors: Iterable[str]) -> Settings:
    """The settings in a file; the defaults if there is none.

    Raises:
        UserError: no TOML, an unknown key (with the nearest), or a value of another kind.
    """
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{NAME}: {error}", hint=f"edit {path}; {_HINT}") from error
    names = list(executors)
    own = {name: _table(values.pop(name), name) for name in list(values) if name in names and name != "local"}
    stages = _table(values.pop("stages", {}), "stages")
    executor = values.pop("executor", "local")
    if executor not in names:
        raise unknown_executor(executor, names, where=f"{NAME}: executor")
    places = [f"[{name}]" for name in names if name != "local"]
    resources = build(Resources, values, NAME, others=["executor", "[stages]", *places])
    given = {
        name: build(Resources, {**values, **_table(table, f"stages.{name}")}, f"{NAME}: stages.{name}")
        for name, table in stages.items()
    }
    return Settings(executor=executor, resources=resources, stages=given, tables=own)


def unknown_executor(name: object, names: Iterable[str], *, where: str) -> UserError:
    """The error for a place that isn't known."""
    return UserError(f"{where}: {name!r} is not one of {', '.join(names)}{_nearest(str(name), names)}", hint=_HINT)


Built = typing.TypeVar("Built")


def build(kind: type[Built], values: Mapping[str, object], where: str, others: Iterable[str] = ()) -> Built:
    """A dataclass of plain fields (text, whole numbers, switches, lists of text) from a table; every field has a default.

    Raises:
        UserError: naming the key and what is valid.
    """
    hints = typing.get_type_hints(kind)
    for key, value in values.items():
        if key not in hints:
            known = [*hints, *others]
            raise UserError(f"{where}: unknown key {key}{_nearest(key, known)}", hint=f"keys: {', '.join(known)}")
        wanted = hints[key]
        fits = (
            isinstance(value, list) and all(isinstance(item, str) for item in value)
            if typing.get_origin(wanted) is tuple
            else isinstance(value, int | float) and not isinstance(value, bool)
            if wanted is float
            else type(value) is wanted
        )
        if not fits:
            word = "a list of text" if typing.get_origin(wanted) is tuple else getattr(wanted, "__name__", str(wanted))
            raise UserError(f"{where}: {key} = {value!r}, expected {word}", hint=_HINT)
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return kind(**plain)
    except ValueError as error:
        raise UserError(f"{where}: {error}", hint=_HINT) from error


def _table(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UserError(f"{NAME}: {name} = {value!r}, expected a table", hint=f"[{name}]; {_HINT}")
    return value


def _nearest(name: str, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(valid), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
