"""A checkpoint as a folder for others: the Hugging Face files, a model card, and where it came from in the forms that
others read: an in-toto statement with SLSA provenance, OpenLineage events, and the manifests themselves.

All are plain JSON written here: nothing has to be installed. The statement can be signed as it is.
"""

import datetime
import json
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from r1cli import release, runs
from r1cli.lineage import snapshot
from r1cli.lineage.revisions import WORKSPACE, metrics
from r1cli.lineage.snapshot import Artifact, Checkpoint, Snapshot, lineage_digest
from r1cli.lineage.tree import UNKNOWN, sources
from r1cli.params_file import flat
from stages.contract.errors import UserError
from stages.contract.manifest import NAME, Source, digests

BUILDER = "urn:r1"  # names the software, not a host
BUILD_TYPE = f"{BUILDER}:stage:1"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_NON_COMMERCIAL = re.compile(r"(?i)(^|[^a-z])nc([^a-z]|$)|non-?commercial|research[- ]only")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a checkpoint was measured, and what came out."""

    stage: str
    protocol: Mapping[str, object]
    figures: Mapping[str, float]


def export(root: Path, found: Snapshot, chosen: Checkpoint, target: Path, *, records: Path) -> list[str]:
    """Write the folder; returns its files. `records` are the run records, for the events' times.

    Raises:
        UserError: the folder is not empty, a file is not what the manifest says, or the checkpoint was made from other
            files than lie here.
    """
    snapshot.whole(found, chosen.artifact.name)
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target} is not empty", hint="give a new folder")
    target.mkdir(parents=True, exist_ok=True)
    names = found.upstream(chosen.artifact.name)
    for file in _files(chosen):
        path = found.file(chosen.artifact, file)
        if digests(path).sha256 != chosen.artifact.manifest.files[file].sha256:
            raise UserError(f"{chosen.artifact.folder}/{file} is not what its manifest says", hint="r1 verify")
        # A copy and no link: what others do to it must not reach DVC's cache.
        shutil.copyfile(path, target / file.rpartition("/")[2])
    for name in names:
        place = target / "manifests" / found.artifacts[name].folder / NAME
        place.parent.mkdir(parents=True)
        shutil.copyfile(found.file(found.artifacts[name], NAME), place)
    card = model_card(found, chosen, evaluation(root, found, chosen))
    (target / "README.md").write_text(card, encoding="utf-8")
    (target / "provenance.json").write_text(json.dumps(statement(found, chosen), indent=1, default=str) + "\n")
    lines = [json.dumps(event, default=str) for event in events(found, names, runs.latest(records))]
    (target / "openlineage.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())


def _files(chosen: Checkpoint) -> list[str]:
    return [name for name in chosen.artifact.manifest.files if name.startswith(f"{chosen.folder}/")]


# -- the model card ---------------------------------------------------------------------------------


def non_commercial(license: str) -> bool:
    """Whether a licence's name forbids commercial use.

    >>> [non_commercial(x) for x in ("CC-BY-NC-4.0", "cc-by-nc-sa-4.0", "Apache-2.0", "NCSA", "Research only")]
    [True, True, False, False, True]
    """
    return _NON_COMMERCIAL.search(license) is not None


def rolled_up(licences: Sequence[str]) -> str:
    """One licence for the card: the only one there is, or `other`, since combining them is for a lawyer."""
    known = sorted({licence for licence in licences})
    return known[0].lower() if len(known) == 1 and known[0] else "other"


def evaluation(root: Path, found: Snapshot, chosen: Checkpoint) -> Evaluation | None:
    """The evaluation of this very checkpoint, where there is one."""
    known = metrics(root, WORKSPACE)
    for name, artifact in found.artifacts.items():
        if artifact.manifest.stage == "evaluate" and chosen.path in artifact.manifest.inputs:
            figures = known.get(name.replace("@", "-"), {})
            return Evaluation(stage=name, protocol=dict(flat(artifact.manifest.params)), figures=figures)
    return None


def model_card(found: Snapshot, chosen: Checkpoint, measured: Evaluation | None) -> str:
    """README.md as the Hub reads it."""
    listed = sources(found, found.upstream(chosen.artifact.name))
    models = hub_ids(listed, rows=False)
    datasets = hub_ids(listed, rows=True)
    name = f"r1-{chosen.artifact.name.replace('@', '-')}"
    head: dict[str, object] = {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["r1"]}
    head["license"] = rolled_up([s.license for s in listed])
    head |= {"license_name": "see-the-sources-below"} if head["license"] == "other" else {}
    head |= {"base_model": models} if models else {}
    head |= {"datasets": datasets} if datasets else {}
    if measured and measured.figures:
        head["model-index"] = [{"name": name, "results": [_result(measured)]}]
    front = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in head.items())
    parts = [f"---\n{front}---\n", f"# {name}\n", _made(found, chosen), licences(listed)]
    return "\n".join([*parts, _measured(measured)])


def hub_ids(listed: Sequence[Source], *, rows: bool) -> list[str]:
    """The ids of a hub's data sets, or models. What follows `#` is a data set's own word for where a row is from."""
    named = [s.source for s in listed if bool(s.rows) == rows and s.source.startswith("hub:")]
    return list(dict.fromkeys(source.removeprefix("hub:").partition("#")[0] for source in named))


def _result(measured: Evaluation) -> dict[str, object]:
    shown = {k: v for k, v in measured.figures.items() if not k.endswith(("_low", "_high"))}
    return {
        "task": {"type": "text-generation"},
        "dataset": {"name": "r1 held-out problems", "type": "r1-test"},
        "metrics": [{"type": key, "value": value} for key, value in shown.items()],
    }


def _made(found: Snapshot, chosen: Checkpoint) -> str:
    names = found.upstream(chosen.artifact.name)
    return (
        f"`{chosen.path}` of r1, the DeepSeek-R1 recipe as a pipeline; stages: {', '.join(names)}.\n\n"
        f"- weights: `{chosen.weights}` (SHA-256, first half)\n"
        f"- lineage: `{lineage_digest(found, chosen.artifact.name)}` (over the manifests in `manifests/`)\n"
        "- provenance: `provenance.json` (in-toto, SLSA), `openlineage.jsonl`\n"
    )


def licences(listed: Sequence[Source]) -> str:
    """The section of a card about sources, with a warning where one forbids commercial use or none is known."""
    rows = "".join(
        f"| {s.source} | {s.revision[:12]} | {s.license or UNKNOWN} | {f'{s.rows:,} rows' if s.rows else 'model'} |\n"
        for s in listed
    )
    forbids = sorted({f"{s.source} ({s.license})" for s in listed if non_commercial(s.license)})
    unknown = sorted({s.source for s in listed if not s.license})
    warnings = (
        f"\n**Non-commercial: made from {', '.join(forbids)}.** Commercial use is not allowed.\n" if forbids else ""
    )
    warnings += f"\n**Licence unknown: {', '.join(unknown)}.**\n" if unknown else ""
    return f"## Sources and licences\n{warnings}\n| source | revision | licence | size |\n| --- | --- | --- | --- |\n{rows}"


def _measured(measured: Evaluation | None) -> str:
    if measured is None or not measured.figures:
        return "## Results\n\nNot evaluated.\n"
    rows = ""
    for key, value in measured.figures.items():
        if not key.endswith(("_low", "_high")):
            low, high = measured.figures.get(f"{key}_low"), measured.figures.get(f"{key}_high")
            rows += f"| {key} | {value:.4g} | {'' if low is None or high is None else f'{low:.3f} to {high:.3f}'} |\n"
    protocol = ", ".join(f"{key} {value}" for key, value in measured.protocol.items())
    return (
        f"## Results\n\n| metric | value | 95% interval |\n| --- | --- | --- |\n{rows}\n"
        f"Protocol (`{measured.stage}`): {protocol}. The test problems, and texts that work on them, are kept out of every training table.\n"
    )


# -- in-toto and OpenLineage ------------------------------------------------------------------------


def statement(found: Snapshot, chosen: Checkpoint) -> dict[str, object]:
    """An in-toto Statement v1 with SLSA Provenance v1. It holds no time and no host, as the checkpoint doesn't."""
    manifest = chosen.artifact.manifest
    upstream = [found.artifacts[name] for name in found.upstream(chosen.artifact.name)]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name.rpartition("/")[2], "digest": {"sha256": manifest.files[name].sha256}}
            for name in _files(chosen)
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"stage": manifest.name, "params": manifest.params},
                "internalParameters": {
                    "code": {"sha256": manifest.code},
                    "lineage": {"sha256": lineage_digest(found, chosen.artifact.name)},
                    "ledgers": {name: head.head for name, head in manifest.ledgers.items()},
                },
                "resolvedDependencies": [
                    *({"name": p, "digest": {"sha256": known.sha256}} for p, known in manifest.inputs.items()),
                    *({"name": f"{a.folder}/{NAME}", "digest": {"sha256": a.digest}} for a in upstream),
                ],
            },
            "runDetails": {"builder": {"id": BUILDER, "version": {"r1": release()}}},
        },
    }


def events(found: Snapshot, names: Sequence[str], known: Mapping[str, runs.Run]) -> list[dict[str, object]]:
    """One OpenLineage COMPLETE event for each stage, in order. Its run id is the manifest's: the same for the same run."""
    return [_event(found.artifacts[name], found, known.get(name)) for name in names]


def _event(artifact: Artifact, found: Snapshot, run: runs.Run | None) -> dict[str, object]:
    ended = datetime.datetime.fromtimestamp(found.file(artifact, NAME).stat().st_mtime, datetime.UTC)
    if run is not None:
        ended = datetime.datetime.fromisoformat(run.started) + datetime.timedelta(seconds=run.seconds)
    manifest = artifact.manifest
    return {
        "eventType": "COMPLETE",
        "eventTime": ended.isoformat(),
        "producer": BUILDER,
        "schemaURL": SCHEMA,
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{BUILDER}:{artifact.digest}")), "facets": {}},
        "job": {"namespace": "r1", "name": artifact.name, "facets": {}},
        "inputs": [_dataset(path, known.sha256) for path, known in manifest.inputs.items()],
        "outputs": [
            *(_dataset(f"{artifact.folder}/{t}", manifest.files[t].sha256, rows.rows) for t, rows in manifest.tables.items()),
            *(_dataset(f"{artifact.folder}/{folder}", weights) for folder, weights in manifest.checkpoints.items()),
        ],
    }  # fmt: skip


def _dataset(name: str, version: str, rows: int | None = None) -> dict[str, object]:
    facet = {
        "_producer": BUILDER,
        "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
        "datasetVersion": version,
    }
    dataset: dict[str, object] = {"namespace": "r1", "name": name, "facets": {"version": facet}}
    if rows is not None:
        statistics = {
            "_producer": BUILDER,
            "_schemaURL": "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet",
            "rowCount": rows,
        }
        dataset["outputFacets"] = {"outputStatistics": statistics}
    return dataset
