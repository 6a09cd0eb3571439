"""What the lineage commands print for people. What programs get (`--json`) is made where the answers are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from r1cli import console
from r1cli.lineage.diff import NAMED, Change, Figure
from r1cli.lineage.impact import Effect, Impact
from r1cli.lineage.replay import Replay
from r1cli.lineage.rows import Place
from r1cli.lineage.tree import UNKNOWN
from r1cli.lineage.uses import Use
from r1cli.lineage.verify import Report
from stages.contract.manifest import Source

if TYPE_CHECKING:
    from r1cli.lineage.forget import Plan

STEPS = 12  # that are named
ENTRIES = 8  # of a ledger that are shown
EARNED = ["step", "row_id", "policy", "accuracy", "format", "language", "preference", "reward", "advantage", "masked"]
_APART = {True: "apart", False: "meet", None: ""}


def sources(listed: Sequence[Source]) -> None:
    """Raw sources with their licences."""
    rows = [[s.source, s.revision[:12], s.license or UNKNOWN, f"{s.rows:,}" if s.rows else "model"] for s in listed]
    console.table(["source", "revision", "license", "rows"], rows)


def row(row_id: str, places: Sequence[Place], content: Mapping[str, object]) -> None:
    """A row: where it stands, and what it says."""
    console.say(f"row {row_id}")
    for place in places:
        dropped = f" (dropped: {place.dropped})" if place.dropped else ""
        console.say(f"  in {place.artifact} {place.table}, row {place.row}{dropped}")
    for key, value in content.items():
        if key not in ("r1_id", "states") and value not in (None, "", []):
            console.say(f"  {key}: {value}")


def ancestors(before: Sequence[tuple[Place, Mapping[str, object]]]) -> None:
    """The rows that a row was made from."""
    for place, content in before:
        origin = " · ".join(str(content[key]) for key in ("source", "revision", "license") if content.get(key))
        console.say(f"made from {place.id} in {place.artifact} {place.table}, row {place.row}: {origin}")
        console.say(f"  {content.get('prompt', content.get('text', ''))}")


def uses(used: Sequence[Use]) -> None:
    """Which steps took rows in, and what RL's samples earned."""
    for use in used:
        steps = ", ".join(map(str, use.steps[:STEPS])) + (" ..." if len(use.steps) > STEPS else "")
        console.say(f"{use.artifact} ({use.trains}) took it in at {_counted(len(use.steps), 'step')}: {steps}")
        if "reward" in use.entries.columns:
            shown = use.entries.select(EARNED).head(ENTRIES)
            console.table(shown.columns, [[_figure(value) for value in entry] for entry in shown.rows()])
            if len(use.entries) > ENTRIES:
                console.say(f"... {len(use.entries)} samples in all: --json")


def _figure(value: object) -> str:
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def impact(places: Sequence[Place], result: Impact, scores: Mapping[str, Mapping[str, float]]) -> None:
    """What depends on rows, and where it is clean."""
    kept = [place for place in places if place.dropped is None]
    dropped = f", {len(places) - len(kept):,} dropped" if len(kept) < len(places) else ""
    console.say(f"{_counted(len(result.ids), 'row')}: {_counted(len(kept), 'place')} in tables{dropped}")
    if not result.effects:
        console.say("nothing depends on them")
        return
    headers = ["artifact", "holds", "made from them", "steps that took them in", "through"]
    console.table(headers, [_effect(effect) for effect in result.effects])
    if len(result.ids) == 1:
        uses(result.uses)
    for model, figures in scores.items():
        name = next(iter(figures))
        console.say(f"score that depends on them: {model} {name} {figures[name]:.3f}")
    for rewind in result.rewinds:
        start = ", which is what it started from" if rewind.step == 0 else ""
        console.say(f"last clean: {rewind.artifact} ({rewind.checkpoint}) after step {rewind.step}{start}")
    if not result.rewinds:
        console.say("no training took them in: every checkpoint is clean")


def _effect(effect: Effect) -> list[str]:
    steps = f"{len(effect.steps):,} (first {effect.steps[0]})" if effect.steps else ""
    counts = [f"{count:,}" if count else "" for count in (effect.holds, effect.made)]
    return [effect.artifact, *counts, steps, ", ".join(effect.through)]


def forgetting(plan: "Plan") -> None:
    """What will be listed in params.yaml, and what runs again."""
    for section, ids in plan.forget.items():
        more = f" and {len(ids) - 3:,} more" if len(ids) > 3 else ""
        console.say(f"{section} drops {_counted(len(ids), 'row')}: {', '.join(ids[:3])}{more}")
    console.say(f"then run again: {', '.join(plan.rerun)}")


def verified(report: Report, again: Replay | None) -> None:
    """What was read, what is wrong, and what a replay led to."""
    for fault in report.faults:
        console.say(f"{fault.level}: {fault.where} {fault.what}")
    if again:
        same = "the same" if again.same else "NOT the same"
        console.say(f"replay: {again.artifact} led to {same} after {_counted(again.step, 'step')}")
    console.say(
        f"{_counted(report.files, 'file')} ({console.amount(report.bytes)}), {_counted(report.rows, 'row')} and "
        f"{_counted(report.steps, 'step')} of {_counted(report.artifacts, 'artifact')} read: "
        + (_counted(len(report.faults), "fault") if report.faults else "all as it was")
    )


def differences(changes: Sequence[Change], figures: Mapping[str, Sequence[Figure]], *, before: str, after: str) -> None:
    """What differs between two states, stage by stage, then the metrics."""
    for change in changes:
        _change(change)
    rows = [
        [stage, f.metric, _value(f.before, f.intervals[0]), _value(f.after, f.intervals[1]), _APART[f.apart]]
        for stage, listed in figures.items()
        for f in listed
    ]
    if rows:
        console.table(["metrics of", "metric", before, after, "intervals"], rows)
    if not changes and not rows:
        console.say(f"{before} and {after} are the same")


def _value(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _change(change: Change) -> None:
    words = [f"only {change.only}"] if change.only else []
    words += ["other code"] if change.code else []
    words += [f"other weights ({', '.join(change.weights)})"] if change.weights else []
    console.say(f"{change.stage}: {', '.join(words)}" if words else f"{change.stage}:")
    for key, (was, now) in {**change.params, **change.libraries}.items():
        console.say(f"  {key}: {was} -> {now}")
    for rows in change.rows:
        counts = f"{len(rows.added) - rows.changed:,} added, {len(rows.removed) - rows.changed:,} removed"
        named = ", ".join([*(f"+{i[:8]}" for i in rows.added[:NAMED]), *(f"-{i[:8]}" for i in rows.removed[:NAMED])])
        console.say(
            f"  {rows.table}: {rows.before:,} -> {rows.after:,} rows; {counts}, {rows.changed:,} changed ({named})"
        )


def files(folder: Path, written: Sequence[str]) -> None:
    for name in written:
        console.say(f"{folder}/{name}")
