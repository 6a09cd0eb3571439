"""What a data set's card (README.md) says for programs: its licence, and which files make which configuration."""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.contract.errors import UserError

README = "README.md"
_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---\s*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Card:
    """`configs`: name -> (split, pattern of paths) pairs. `default` is the one that is meant without a name, or ""."""

    license: str
    configs: Mapping[str, Sequence[tuple[str, str]]]
    default: str


def read_card(path: Path) -> Card:
    """The card in a README; an empty one where it has no front matter, or one that can't be read."""
    # Imported here: only sources with a card need it.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    found = _FRONT.match(path.read_text(encoding="utf-8-sig", errors="replace"))
    try:
        head = YAML(typ="safe", pure=True).load(found[1]) if found else None
    except (YAMLError, ValueError, RecursionError):
        head = None
    head = head if isinstance(head, dict) else {}
    listed = head.get("configs")
    configs = [c for c in listed if isinstance(c, dict) and "config_name" in c] if isinstance(listed, list) else []
    named = {str(config["config_name"]): _patterns(config.get("data_files")) for config in configs}
    marked = [str(config["config_name"]) for config in configs if config.get("default") is True]
    default = [*marked, *(name for name in named if name == "default"), *(named if len(named) == 1 else ())]
    license = head.get("license")
    known = license if isinstance(license, str) else ", ".join(map(str, license)) if isinstance(license, list) else ""
    if known == "other":
        known = str(head.get("license_name") or "other")
    return Card(license=known, configs=named, default=default[0] if default else "")


def _patterns(value: object) -> list[tuple[str, str]]:
    """`data_files` in its forms: a path, paths, or splits with a path or paths each."""
    found = []
    for entry in value if isinstance(value, list) else [value]:
        split, paths = ("", entry) if not isinstance(entry, dict) else (str(entry.get("split", "")), entry.get("path"))
        found += [(split, str(path)) for path in (paths if isinstance(paths, list) else [paths]) if path]
    return found


def chosen(names: Sequence[str], card: Card, *, config: str, split: str, label: str) -> list[str]:
    """The files of a configuration and a split: as the card has them, else by the words of their paths
    (`main/train-00000.parquet`).

    Raises:
        UserError: there are several configurations and none was named, or none of this name.
    """
    patterns = card.configs.get(config or card.default)
    if patterns is None and config and card.configs:
        raise UserError(f"{label} has no config {config!r}", hint=f"--config {' | '.join(card.configs)}")
    if patterns is None and len(card.configs) > 1:
        raise UserError(
            f"{label} has the configs {', '.join(card.configs)}", hint=f"--config {next(iter(card.configs))}"
        )
    words = {word for word in ("" if patterns else config, split) if word}
    if not patterns:
        return [name for name in names if words <= _words(name)]
    fitting = [(name, part) for name in names for part, pattern in patterns if fnmatch.fnmatchcase(name, pattern)]
    # Where the card tells no splits apart, the paths may.
    return list(
        dict.fromkeys(
            name for name, part in fitting if part == split or not split or (not part and words <= _words(name))
        )
    )


def _words(name: str) -> set[str]:
    return set(re.split(r"[^A-Za-z0-9]+", name.rpartition(".")[0]))
