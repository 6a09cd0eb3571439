"""A data set's card (README.md): what the Hub reads, and what people should know, filled from lineage."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1cli.data.columns import COLUMNS
from r1cli.lineage.export import hub_ids, licences, rolled_up
from r1cli.lineage.snapshot import Artifact
from r1cli.lineage.tree import params_line, summary
from stages.contract.manifest import Source

if TYPE_CHECKING:
    from r1cli.data.export import Part

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
LARGER = "10M<n<100M"
SHARES = ("kind", "family", "language", "verdict")
TOP = 12
MAX_TEXT = 200  # characters of a param that are shown


@dataclass(frozen=True, kw_only=True)
class About:
    """What a card tells. `made`: the artifacts that led to the tables, in order; `own`: those that the tables are of, by
    name; `lineage`: their digests. Both are empty for imports, whose sources the rows name."""

    name: str
    parts: "Sequence[Part]"
    sources: Sequence[Source]
    license: str
    made: Sequence[Artifact]
    own: Sequence[str]
    lineage: Mapping[str, str]
    empty: Sequence[str]  # tables without rows, which are not here
    dropped: Mapping[str, int]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


def license_of(listed: Sequence[Source]) -> str:
    """One licence for all sources, or `other`."""
    return rolled_up([source.license for source in listed])


def text(about: About) -> str:
    """The whole card."""
    head = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in front_matter(about).items())
    parts = [
        f"---\n{head}---\n",
        f"# {about.name}\n",
        _made(about),
        _contents(about),
        _shares(about),
        _columns(about),
        _dropped(about),
        licences(about.sources),
        _loading(about),
    ]
    return "\n".join(part for part in parts if part)


def front_matter(about: About) -> dict[str, object]:
    """The card's head, as the Hub reads it. JSON is YAML."""
    hubs = hub_ids(about.sources, rows=True)
    languages = sorted({str(value) for part in about.parts for value in _values(part, "language")})
    head: dict[str, object] = {"pretty_name": about.name, "license": about.license}
    head |= {"license_name": "see-the-sources-below"} if about.license == "other" else {}
    head |= {"language": languages} if languages else {}
    head |= {"task_categories": ["text-generation"], "tags": ["r1", "reasoning"]}
    head |= {"size_categories": [next((word for limit, word in SIZES if about.rows < limit), LARGER)]}
    head |= {"source_datasets": hubs} if hubs else {}
    configs: dict[str, list[dict[str, str]]] = {}
    for part in about.parts:
        configs.setdefault(part.config, []).append({"split": part.split, "path": part.pattern})
    return head | {"configs": [{"config_name": name, "data_files": files} for name, files in configs.items()]}


def _values(part: "Part", column: str) -> list[object]:
    frame = part.table.lazy()
    if column not in frame.collect_schema().names():
        return []
    return frame.select(column).unique().collect(engine="streaming")[column].drop_nulls().to_list()


def _made(about: About) -> str:
    if not about.made:
        return "Rows of other people's data sets, imported by r1, the DeepSeek-R1 recipe as a pipeline.\n"
    lines = [f"Rows of `{'`, `'.join(about.own)}` of r1, the DeepSeek-R1 recipe as a pipeline. What led to them:\n"]
    lines += [
        f"- `{artifact.name}`: {summary(artifact)}; {_shortened(params_line(artifact))}" for artifact in about.made
    ]
    lines += [
        f"- lineage of `{name}`: `{digest}` (over the manifests in `manifests/`)"
        for name, digest in about.lineage.items()
    ]
    return "\n".join(lines) + "\n"


def _shortened(line: str) -> str:
    return line if len(line) <= MAX_TEXT else f"{line[:MAX_TEXT].rpartition(' · ')[0]} · ..."


def _contents(about: About) -> str:
    rows = "".join(f"| {p.config} | {p.split} | {p.rows:,} | {len(p.files)} |\n" for p in about.parts)
    empty = f"\nWithout rows, and so not here: {', '.join(about.empty)}.\n" if about.empty else ""
    return f"## Contents\n\n| config | split | rows | files |\n| --- | --- | --- | --- |\n{rows}{empty}"


def _shares(about: About) -> str:
    import polars as pl

    lines = []
    for part in about.parts:
        frame = part.table.lazy()
        for column in (name for name in SHARES if name in frame.collect_schema().names()):
            counted = frame.group_by(column).len().collect(engine="streaming").filter(pl.col(column).is_not_null())
            top = counted.sort("len", column, descending=[True, False]).head(TOP)
            named = ", ".join(f"{value} {count:,}" for value, count in top.iter_rows())
            more = f" and {len(counted) - TOP} others" if len(counted) > TOP else ""
            lines.append(f"| {part.config} | {part.split} | {column} | {named}{more} |\n")
    head = "| config | split | column | rows by value |\n| --- | --- | --- | --- |\n"
    return f"{head}{''.join(lines)}" if lines else ""


def _columns(about: About) -> str:
    lines = []
    for name, parts in _by_columns(about).items():
        lines.append(f"\n`{'`, `'.join(parts)}`:\n\n" if len(_by_columns(about)) > 1 else "\n")
        lines += [f"- `{column}`: {COLUMNS.get(column, 'as the source has it')}\n" for column in name]
    return f"## Columns\n{''.join(lines)}"


def _by_columns(about: About) -> dict[tuple[str, ...], list[str]]:
    """The configurations that have the same columns."""
    found: dict[tuple[str, ...], list[str]] = {}
    for part in about.parts:
        names = found.setdefault(tuple(part.table.lazy().collect_schema().names()), [])
        if part.config not in names:
            names.append(part.config)
    return found


def _dropped(about: About) -> str:
    if not about.dropped:
        return ""
    lines = "".join(f"| {reason} | {count:,} |\n" for reason, count in about.dropped.items())
    return f"## What was left out, and why\n\n| reason | rows |\n| --- | --- |\n{lines}"


def _loading(about: About) -> str:
    config = about.parts[0].config
    name = "" if config == "default" else f', "{config}"'
    return (
        f'## Loading\n\n```python\nfrom datasets import load_dataset\n\nrows = load_dataset("PATH_OR_ID"{name})\n```\n'
    )
