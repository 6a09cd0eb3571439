"""A checkpoint's lineage as a tree: stages, params, row counts, down to raw sources and their licences."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from r1cli.console import Node
from r1cli.lineage import imports
from r1cli.lineage.snapshot import Artifact, Checkpoint, Snapshot, contradictions, lineage_digest
from r1cli.params_file import flat
from stages.contract.manifest import Source

UNKNOWN = "licence unknown"


def describe(found: Snapshot, chosen: Checkpoint, differences: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """The lineage for programs."""
    names = found.upstream(chosen.artifact.name)
    return {
        "checkpoint": chosen.path,
        "weights": chosen.weights,
        "lineage": lineage_digest(found, chosen.artifact.name),
        "contradictions": contradictions(found, chosen.artifact.name),
        "sources": [vars(source) for source in sources(found, names)],
        "artifacts": [
            {
                "stage": name,
                "folder": found.artifacts[name].folder,
                "manifest": found.artifacts[name].digest,
                "code": found.artifacts[name].manifest.code,
                "params": found.artifacts[name].manifest.params,
                "inputs": {p: i.sha256 for p, i in found.artifacts[name].manifest.inputs.items()},
                "from": found.parents(name),
                "rows": {t: r.rows for t, r in found.artifacts[name].manifest.tables.items()},
                "ledgers": {
                    ledger: {"trains": head.trains, "steps": head.steps, "entries": head.entries, "head": head.head}
                    for ledger, head in found.artifacts[name].manifest.ledgers.items()
                },
                "determinism": vars(found.artifacts[name].manifest.determinism),
                "differs": list(differences.get(name, ())),
            }
            for name in names
        ],
    }


def determinism(found: Snapshot, names: Sequence[str]) -> list[str]:
    """What the bits of these artifacts depend on beside inputs, params and code, and what may differ all the same."""
    stated = [found.artifacts[name].manifest.determinism for name in names]
    versions = sorted({f"{name} {version}" for one in stated for name, version in one.libraries.items()})
    threads = sorted({one.threads for one in stated if one.threads})
    lines = [f"made with {', '.join(versions)}" + (f", threads {', '.join(map(str, threads))}" if threads else "")]
    lines += [f"bits depend on {text}" for text in dict.fromkeys(text for one in stated for text in one.depends_on)]
    return lines + [f"may differ: {text}" for text in dict.fromkeys(text for one in stated for text in one.open)]


def sources(found: Snapshot, names: Sequence[str]) -> list[Source]:
    """The raw sources of these artifacts' kept rows, of traces that they were made from, and of imported models, with how
    many rows each gave."""
    counts: dict[tuple[str, str, str], int] = {}
    for name in names:
        artifact = found.artifacts[name]
        for table in artifact.kept_tables():
            for source in artifact.manifest.tables[table].sources:
                key = (source.source, source.revision, source.license)
                counts[key] = counts.get(key, 0) + source.rows
        for source in imports.sources(found, artifact):
            key = (source.source, source.revision, source.license)
            counts[key] = counts.get(key, 0) + source.rows
        for key in _models(artifact):
            counts[key] = 0
    return [Source(source=s, revision=r, license=x, rows=n) for (s, r, x), n in sorted(counts.items())]


def _models(artifact: Artifact) -> list[tuple[str, str, str]]:
    """A base model that was imported, as a source; a local folder by its last part."""
    values = dict(flat(artifact.manifest.params))
    found = []
    for key, value in values.items():
        if key.endswith("base.source") and value == "import":
            path, revision = (
                str(values.get(f"{key.removesuffix('source')}{part}", "")) for part in ("path", "revision")
            )
            hub = bool(revision)
            found.append((f"hub:{path}" if hub else f"file:{Path(path).name}", revision, ""))
    return found


def draw(found: Snapshot, chosen: Checkpoint, differences: Mapping[str, Sequence[str]]) -> Node:
    """The lineage for people. An artifact that stands above already is only named again."""
    return _node(found, chosen.artifact.name, differences, set())


def _node(found: Snapshot, name: str, differences: Mapping[str, Sequence[str]], seen: set[str]) -> Node:
    artifact = found.artifacts[name]
    if name in seen:
        return Node(label=name, note="(above)")
    seen.add(name)
    children = [Node(label=text, style="yellow") for text in differences.get(name, ())]
    children += [Node(label="params", note=params_line(artifact))]
    children += [
        Node(label=table, note=f"{artifact.manifest.tables[table].rows:,} rows") for table in artifact.kept_tables()
    ]
    children += [
        Node(
            label=f"{source.source} {source.revision[:12]}".strip(),
            note=f"{source.rows:,} rows · {source.license or UNKNOWN}",
        )
        for source in sources(found, [name])
    ]
    children += [_node(found, parent, differences, seen) for parent in found.parents(name)]
    return Node(label=name, note=summary(artifact), children=tuple(children))


def summary(artifact: Artifact) -> str:
    """What an artifact is, in a few words."""
    manifest = artifact.manifest
    parts = [
        f"{head.trains}: {head.steps:,} steps on {head.entries:,} {'rows' if head.table else 'samples'}"
        for head in manifest.ledgers.values()
    ]
    if not parts:
        kept = [manifest.tables[table].rows for table in artifact.kept_tables()]
        parts = [f"{sum(kept):,} rows in {len(kept)} table{'s' if len(kept) != 1 else ''}"] if kept else []
        parts += [folder for folder in manifest.checkpoints]
    return " · ".join([*parts, f"code {manifest.code[:8]}"])


def params_line(artifact: Artifact) -> str:
    """An artifact's params; those of its own section by their names alone, those that are empty left out."""
    own = f"{artifact.manifest.stage}."
    listed = [(key.removeprefix(own), value) for key, value in flat(artifact.manifest.params)]
    return " · ".join(f"{key} {value}" for key, value in listed if value not in ("", [], {}))
