"""params.yaml and the profiles: reading, editing in place, switching. Values only; their meaning is the contract's."""

import difflib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from stages.contract.errors import UserError
from stages.contract.params import parse

Values = dict[str, object]
Path_ = tuple[str, ...]


def read_params(path: Path) -> Values:
    """The values of a params file, as YAML 1.2 (as DVC reads it: `1e-5` is a number, `on` a word).

    Raises:
        UserError: the file is missing or is no YAML mapping; with the line and column.
    """
    return read_text(_text(path), path.name)


def read_text(text: str, name: str) -> Values:
    """The values in a params file's text. `name` stands in the error message."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        values = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UserError(
            f"{name}{where}: {error.problem or 'not valid YAML'}", hint=f"edit {name}, or: r1 profile use tiny"
        ) from error
    except (YAMLError, ValueError) as error:
        raise UserError(
            f"{name} is not valid YAML ({str(error).splitlines()[0]})", hint=f"edit {name}, or: r1 profile use tiny"
        ) from error
    if not isinstance(values, dict):
        raise UserError(f"{name}: expected sections, got {values!r}", hint="r1 profile use tiny")
    return cast(Values, values)


def pick(values: Mapping[str, object], names: Sequence[str]) -> Values:
    """The declared params only: `seed`, or `students.small` as {"students": {"small": ...}}.

    Raises:
        UserError: a name that the values lack.

    >>> pick({"seed": 1, "students": {"a": {"x": 2}, "b": 3}}, ["students.a"])
    {'students': {'a': {'x': 2}}}
    """
    picked: Values = {}
    for name in names:
        keys = name.split(".")
        source: object = values
        for key in keys:
            if not isinstance(source, Mapping) or key not in source:
                raise UserError(f"params.yaml lacks {name}", hint="r1 profile show")
            source = source[key]
        target = picked
        for key in keys[:-1]:
            target = cast(Values, target.setdefault(key, {}))
        target[keys[-1]] = source
    return picked


def nested(values: Mapping[str, object]) -> Values:
    """Values by dotted names as sections, as `pick` gives them.

    >>> nested({"seed": 1, "students.a": {"x": 2}})
    {'seed': 1, 'students': {'a': {'x': 2}}}
    """
    found: Values = {}
    for name, value in values.items():
        *sections, last = name.split(".")
        target = found
        for key in sections:
            target = cast(Values, target.setdefault(key, {}))
        target[last] = value
    return found


def flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """The single values of nested sections, by dotted names.

    >>> flat({"a": {"b": 1}, "c": [2]})
    [('a.b', 1), ('c', [2])]
    """
    found: list[tuple[str, object]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found += flat(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found


def set_values(text: str, settings: Sequence[str], *, name: str = "params.yaml") -> str:
    """The text of a params file with `key.sub=value` settings made, comments and order kept.

    Raises:
        UserError: a setting that is no KEY=VALUE, names no param (with the nearest), or is impossible.
    """
    edits: list[tuple[Path_, object]] = []
    known = {".".join(p) for p in _paths(read_text(text, name))}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UserError(f"--set {setting}: expected KEY=VALUE", hint="r1 run grpo --set grpo.lr=1.0e-3")
        if key not in known and key.rpartition(".")[0] not in known | {""}:
            near = difflib.get_close_matches(key, known, n=1)
            raise UserError(
                f"unknown param {key}" + (f" (did you mean {near[0]}?)" if near else ""), hint="r1 profile show"
            )
        edits.append((tuple(key.split(".")), _value(value, setting)))
    return edit(text, edits, name=name)


def edit(text: str, edits: Sequence[tuple[Path_, object]], *, name: str = "params.yaml") -> str:
    """The text with values set at paths; the whole result is validated before it is returned.

    Raises:
        UserError: the result is not what a params file may hold.
    """
    if not edits:
        parse(read_text(text, name))
        return text
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    for path, value in edits:
        section = document
        for key in path[:-1]:
            if not isinstance(section.get(key), Mapping):
                section[key] = {}
            section = section[key]
        section[path[-1]] = value
    stream = io.StringIO()
    yaml.dump(document, stream)
    parse(read_text(stream.getvalue(), name))
    return stream.getvalue()


def profile_names(profiles: Path) -> list[str]:
    return sorted(path.stem for path in profiles.glob("*.yaml"))


def profile_text(profiles: Path, name: str) -> str:
    """A profile's file.

    Raises:
        UserError: there is no such profile; with the nearest.
    """
    names = profile_names(profiles)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise UserError(
            f"unknown profile {name!r}"
            + (f" (did you mean {near[0]}?)" if near else f" (there are: {', '.join(names) or 'none'})"),
            hint="r1 profile list",
        )
    return _text(profiles / f"{name}.yaml")


@dataclass(frozen=True, kw_only=True)
class Switch:
    """What `r1 profile use` would write, and which of the user's own values it keeps or can't keep."""

    text: str
    kept: dict[str, object]
    dropped: dict[str, object]


def switch(current: Mapping[str, object], old: Mapping[str, object], new: str, name: str) -> Switch:
    """A profile's text with the user's overrides: the values of `current` that differ from the profile it came from.

    An override that the new profile has no place for is dropped, and named.

    Raises:
        UserError: the profile with the overrides is impossible.
    """
    target = read_text(new, f"{name}.yaml")
    kept: list[tuple[Path_, object]] = []
    dropped: dict[str, object] = {}
    for path, value in _overrides(current, old):
        if path == ("profile",):
            continue
        if _has_place(target, path):
            kept.append((path, value))
        else:
            dropped[".".join(path)] = value
    text = edit(new, kept, name=f"{name}.yaml")
    return Switch(text=text, kept={".".join(p): v for p, v in kept}, dropped=dropped)


def _overrides(
    current: Mapping[str, object], old: Mapping[str, object], path: Path_ = ()
) -> list[tuple[Path_, object]]:
    found: list[tuple[Path_, object]] = []
    for key, value in current.items():
        here = (*path, key)
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            found += _overrides(value, before, here)
        elif key not in old or value != before:
            found.append((here, value))
    return found


def _has_place(values: Mapping[str, object], path: Path_) -> bool:
    """Whether a value can be set at a path: its section is there (a mapping may get a new entry)."""
    section: object = values
    for key in path[:-1]:
        if not isinstance(section, Mapping) or key not in section:
            return False
        section = section[key]
    return isinstance(section, Mapping)


def _paths(values: Mapping[str, object], path: Path_ = ()) -> list[Path_]:
    found: list[Path_] = []
    for key, value in values.items():
        found.append((*path, str(key)))
        if isinstance(value, Mapping):
            found += _paths(value, (*path, str(key)))
    return found


def _value(text: str, setting: str) -> object:
    """A value as YAML 1.2, kept as it was typed where it is a number."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    # `1e-5` is a number to DVC and a word to YAML 1.1 readers; `1.0e-5` is a number to both.
    text = re.sub(r"^([+-]?\d+)([eE][+-]?\d+)$", r"\1.0\2", text.strip())
    try:
        return YAML().load(text) if text else ""
    except YAMLError as error:
        raise UserError(
            f"--set {setting}: the value is not valid YAML", hint="r1 run grpo --set grpo.lr=1.0e-3"
        ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError as error:
        raise UserError(f"{path.name} is missing", hint="r1 profile use tiny") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} cannot be read ({error})", hint="r1 profile use tiny") from error
