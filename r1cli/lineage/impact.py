"""What depends on rows: steps, rows made from them, checkpoints, scores; and how far back a clean state lies."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1cli.lineage.revisions import Metrics
from r1cli.lineage.rows import Place, descendants
from r1cli.lineage.snapshot import Snapshot
from r1cli.lineage.uses import Use, uses

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Why an artifact depends on the rows."""

    artifact: str
    holds: int = 0  # of its rows are the rows themselves
    made: int = 0  # of its rows were made from them
    steps: tuple[int, ...] = ()  # of its training took them (or rows made from them) in
    through: tuple[str, ...] = ()  # artifacts that it was made from and that depend on the rows

    @property
    def learned(self) -> bool:
        """Whether its content, and not only a row list, depends on the rows."""
        return bool(self.made or self.steps or self.through)


@dataclass(frozen=True, kw_only=True)
class Rewind:
    """The last state without the rows: `step` steps of a stage's training (0: what it started from)."""

    artifact: str
    checkpoint: str
    step: int


@dataclass(frozen=True, kw_only=True)
class Impact:
    """All that depends on some rows, in the pipeline's order."""

    ids: frozenset[str]
    made: "pl.DataFrame"  # id, artifact, table
    uses: list[Use]
    effects: list[Effect]
    rewinds: list[Rewind]


def impact(found: Snapshot, ids: Collection[str]) -> Impact:
    """Follow rows through the whole DAG."""
    made = descendants(found, ids)
    used = uses(found, {*ids, *made["id"].to_list()})
    effects: dict[str, Effect] = {}
    rewinds = []
    for name in found.artifacts:
        parents = found.parents(name)
        learned = tuple(parent for parent in parents if parent in effects and effects[parent].learned)
        own = [use for use in used if use.artifact == name]
        effect = Effect(
            artifact=name,
            holds=_holds(found, name, ids),
            made=made.filter(made["artifact"] == name).select("id").n_unique() if len(made) else 0,
            steps=tuple(sorted({step for use in own for step in use.steps})),
            through=learned,
        )
        if not (effect.learned or effect.holds):
            continue
        effects[name] = effect
        if not learned:
            rewinds += [Rewind(artifact=name, checkpoint=use.trains, step=use.steps[0] - 1) for use in own]
    return Impact(ids=frozenset(ids), made=made, uses=used, effects=list(effects.values()), rewinds=rewinds)


def _holds(found: Snapshot, name: str, ids: Collection[str]) -> int:
    import polars as pl

    artifact, wanted, count = found.artifacts[name], pl.Series(sorted(set(ids)), dtype=pl.String), 0
    for table in artifact.kept_tables():
        frame = pl.scan_parquet(found.file(artifact, table)).select("r1_id")
        count += frame.filter(pl.col("r1_id").is_in(wanted.implode())).select(pl.len()).collect().item()
    return count


def scores(result: Impact, known: Metrics) -> dict[str, Mapping[str, float]]:
    """The headline metrics of the evaluations that depend on the rows; where only the judge does, what it judged."""
    found: dict[str, Mapping[str, float]] = {}
    for effect in result.effects:
        figures = known.get(effect.artifact.replace("@", "-"), {})
        if effect.artifact.startswith("evaluate@") and effect.learned and figures:
            judged = effect.through == ("reward_model",) and not effect.made
            found[effect.artifact] = {k: v for k, v in figures.items() if k == "preference" or not judged}
    return found


def described(
    found: Snapshot, places: Sequence[Place], result: Impact, scored: Mapping[str, Mapping[str, float]]
) -> dict[str, object]:
    """For programs."""
    affected = {effect.artifact for effect in result.effects if effect.learned}
    checkpoints = [
        (name in affected, f"{artifact.folder}/{folder}")
        for name, artifact in found.artifacts.items()
        for folder in artifact.manifest.checkpoints
    ]
    return {
        "rows": [vars(place) for place in places],
        "artifacts": [vars(effect) for effect in result.effects],
        "checkpoints": [path for depends, path in checkpoints if depends],
        "clean_checkpoints": [path for depends, path in checkpoints if not depends],
        "descendants": result.made.to_dicts(),
        "used": [use.described() for use in result.uses],
        "scores": scored,
        "last_clean": [vars(rewind) for rewind in result.rewinds],
    }
