"""The results table: one row a model, this run's figures and beside them the paper's. For the page, Markdown and JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from stages.contract.results import Estimate, Exposure, Run
from stages.figures.contamination import UNLOOKED, said_of, verdict_of
from stages.figures.findings import Finding, percent
from stages.figures.funnel import FunnelPart, funnels_markdown
from stages.figures.paper import BENCHMARKS, NAMES, SCORES, label


@dataclass(frozen=True, kw_only=True)
class Cell:
    text: str
    low: str = ""
    high: str = ""
    note: str = ""

    @property
    def interval(self) -> str:
        return f"[{self.low}, {self.high}]" if self.low else ""

    @property
    def small(self) -> str:
        """What stands below the figure."""
        return self.interval or self.note


@dataclass(frozen=True, kw_only=True)
class Row:
    model: str
    paper: str
    kind: str
    ours: Sequence[Cell]
    theirs: Sequence[Cell]


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    ours: Sequence[str]  # column heads
    theirs: Sequence[str]
    rows: Sequence[Row]
    caption: str


def results_table(run: Run) -> ResultTable:
    """One row a model, in pipeline order."""
    votes = max((m.votes for m in run.models.values()), default=0)
    heads = [
        "pass@1", "contamination", *run.families, f"cons@{votes}", f"pass@{votes}", "format", "language", "length", "refuses unsafe", "refuses safe", "preference",
    ]  # fmt: skip
    rows = []
    for model in run.models.values():
        cells = [
            _cell(model.accuracy, interval=True),
            _exposure(run.exposures.get(model.name, UNLOOKED)),
            *(_cell(model.families.get(family)) for family in run.families),
            _cell(model.cons),
            _cell(model.pass_at.get(votes)),
            _cell(model.format),
            _cell(model.language),
            Cell(text=f"{model.length.mean:.1f}"),
            _cell(model.refusals),
            _cell(model.false_refusals),
            _cell(model.preference),
        ]
        paper = SCORES.get(model.kind, (None,) * len(BENCHMARKS))
        theirs = [Cell(text="–" if value is None else f"{value:.1f}") for value in paper]
        rows.append(
            Row(
                model=model.name,
                paper=label(model.name),
                kind=model.kind if model.kind in NAMES else "other",
                ours=cells,
                theirs=theirs,
            )
        )
    return ResultTable(ours=heads, theirs=list(BENCHMARKS), rows=rows, caption=_caption(run))


def _cell(found: Estimate | None, *, interval: bool = False) -> Cell:
    if found is None:
        return Cell(text="–")
    if not interval:
        return Cell(text=percent(found.mean))
    return Cell(text=percent(found.mean), low=percent(found.low), high=percent(found.high))


def _exposure(found: Exposure) -> Cell:
    """The verdict, and pass@1 without what was seen."""
    note = f"without: {percent(found.accuracy.mean)}" if found.accuracy is not None else ""
    return Cell(text=verdict_of(found), note=note)


def _caption(run: Run) -> str:
    first = next(iter(run.models.values()), None)
    if first is None:
        return "No model was evaluated in this run."
    general = next((m.preference for m in run.models.values() if m.preference is not None), None)
    unsafe = next((m.refusals for m in run.models.values() if m.refusals is not None), None)
    safe = next((m.false_refusals for m in run.models.values() if m.false_refusals is not None), None)
    asked = f"Percent; length in tokens. {first.accuracy.num_questions} held-out test problems, {first.votes} draws of each, one sampling protocol for all models. "
    asked += "pass@1 is the mean over draws, in brackets its 95% interval over problems; the families' columns are pass@1 too. Language: of the responses with a thought."
    if general is not None:
        asked += f" Preference: the reward models' mean score on {general.num_questions} general prompts."
    if unsafe is not None and safe is not None:
        asked += f" Refusals: {unsafe.num_questions} unsafe prompts and {safe.num_questions} safe look-alikes."
    return asked


NOTE = (
    "The paper's figures belong to a 671B model (the students': Qwen 32B) and other benchmarks. Only the shape compares: "
    "which stage rises, which falls, and what each adds; the values do not."
)


def markdown(run: Run, table: ResultTable, found: Sequence[Finding], parts: Sequence[FunnelPart]) -> str:
    """The table, the verdicts and the funnels as Markdown."""
    heads = ["model", "paper's name", *table.ours, *(f"paper: {name}" for name in table.theirs)]
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(['---', '---', *['---:'] * (len(heads) - 2)])} |"]
    for row in table.rows:
        cells = [f"{c.text} {c.small}".strip() for c in (*row.ours, *row.theirs)]
        lines.append(f"| {' | '.join([row.model, row.paper, *cells])} |")
    exposures = [
        f"- contamination of {said.paper}: {said.text}{'' if said.clean else f'. {said.detail}'}"
        for said in said_of(run)
    ]
    verdicts = [f"- **{', '.join(filter(None, [f.verdict, f.mark]))}**: {f.claim}. {f.text} {f.caution}".strip() for f in found]  # fmt: skip
    funnels = funnels_markdown(parts)
    return "\n".join([*lines, "", table.caption, "", NOTE, "", *exposures, "", *verdicts, *funnels, ""])


def summary(run: Run, found: Sequence[Finding]) -> dict[str, object]:
    """The table's numbers and the verdicts, JSON-able, rounded to six digits."""
    return {
        "profile": run.profile,
        "seed": run.seed,
        "models": {
            name: {
                "paper": label(name),
                "pass@1": _numbers(m.accuracy),
                "families": {family: _numbers(e) for family, e in m.families.items()},
                f"cons@{m.votes}": _numbers(m.cons),
                "cons_gain": _numbers(m.cons_gain),
                "pass@k": {str(k): _numbers(e) for k, e in m.pass_at.items()},
                "format": _numbers(m.format),
                "language": _numbers(m.language),
                "length": _numbers(m.length),
                "reflective": _numbers(m.reflective),
                "length_rank": {over: _numbers(e) for over, e in m.length_rank.items()},
                "refusals": _numbers(m.refusals),
                "false_refusals": _numbers(m.false_refusals),
                "preference": _numbers(m.preference),
                "contamination": _contamination(run.exposures.get(name, UNLOOKED)),
            }
            for name, m in run.models.items()
        },
        "findings": {
            f.key: {
                "verdict": f.verdict,
                "claim": f.claim,
                **({"caution": f.caution} if f.caution else {}),
                **{k: _number(v) for k, v in f.figures.items()},
            }
            for f in found
        },
        "funnels": {
            stage: {"in": funnel.rows, **funnel.dropped, "out": funnel.kept} for stage, funnel in run.funnels.items()
        },
    }


def _contamination(found: Exposure) -> dict[str, object]:
    return {
        "verdict": verdict_of(found),
        "seen": found.seen,
        "asked": found.test.asked + found.general.asked,
        "unknown": list(found.unknown),
        "pass@1_without": _numbers(found.accuracy),
    }


def _numbers(found: Estimate | None) -> dict[str, float | int | None] | None:
    if found is None:
        return None
    return {
        "mean": _number(found.mean),
        "low": _number(found.low),
        "high": _number(found.high),
        "n": found.num_questions,
        "draws": found.num_draws,
    }


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if value == value else None
