"""The contamination verdict in words: beside a score, beside a finding, and what can't be known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stages.contract.results import Exposure, Overlap, Run
from stages.figures.findings import Finding, Verdict, spread
from stages.figures.paper import label

TEST, GENERAL = "test problems", "general prompts"
UNLOOKED = Exposure(test=Overlap(), general=Overlap(), unknown=("its evaluation was not read",))
# What each finding rests on: kinds of models (none: all), and what they were asked. The watch on reward
# hacking rests on validation problems, which no evaluation asks.
RESTS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "zero_gain": (("base", "zero"), (TEST,)),
    "length_growth": (("base", "zero"), (TEST,)),
    "length_difficulty": (("zero", "align"), (TEST,)),
    "language": (("zero", "grpo", "align"), (TEST,)),
    "format_accuracy": (("zero", "grpo", "align"), (TEST,)),
    "consensus": ((), (TEST,)),
    "distillation": (("student_zero", "distill"), (TEST,)),
    "alignment": (("sft", "align"), (TEST, GENERAL)),
    "refusals": (("align",), (GENERAL,)),
    "reflection": (("base", "zero"), (TEST,)),
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """A model's verdict on the page: in a word or two, and what stands behind it."""

    paper: str
    text: str
    detail: str

    @property
    def clean(self) -> bool:
        return self.text == "clean"


def verdict_of(exposure: Exposure) -> str:
    """`clean`, `unknown`, or how many of the problems that it was asked the model saw."""
    parts = ((exposure.test, ""), (exposure.general, " general"))
    seen = ", ".join(f"{part.seen} of {part.asked}{what}" for part, what in parts if part.seen)
    if not seen:
        return "unknown" if exposure.unknown else "clean"
    return f"{'at least ' if exposure.unknown else ''}{seen} seen"


def said_of(run: Run) -> list[Said]:
    """Every model's verdict, in the run's order."""
    exposures = {name: run.exposures.get(name, UNLOOKED) for name in run.models}
    return [Said(paper=label(n), text=verdict_of(e), detail=_detail(e)) for n, e in exposures.items()]


def _detail(exposure: Exposure) -> str:
    parts = [f"Tables looked at: {exposure.num_tables}"]
    parts += [f"{count} in {table} ({how})" for (table, how), count in exposure.places.items()]
    parts += [f"unknown: {what}" for what in exposure.unknown]
    if exposure.accuracy is not None:
        parts.append(f"pass@1 without the test problems it saw: {spread(exposure.accuracy)}")
    elif exposure.test.seen:
        parts.append("no test problem is left without those it saw")
    return "; ".join(parts)


def cautioned(found: Sequence[Finding], run: Run, without: Mapping[str, Verdict]) -> list[Finding]:
    """The findings, each with what is to be said beside it. `without` are the verdicts on the problems that no model saw;
    none where nothing was seen."""
    return [_cautioned(finding, run, without.get(finding.key, "not in this run")) for finding in found]


def _cautioned(finding: Finding, run: Run, without: Verdict) -> Finding:
    kinds, asked = RESTS.get(finding.key, ((), ()))
    if not asked or finding.verdict == "not in this run":
        return finding
    models = {
        label(name): run.exposures.get(name, UNLOOKED)
        for name, model in run.models.items()
        if not kinds or model.kind in kinds
    }
    seen: dict[str, list[str]] = {}
    for name, exposure in models.items():
        for what, part in ((TEST, exposure.test), (GENERAL, exposure.general)):
            if what in asked and part.seen:
                seen.setdefault(f"{part.seen} of the {part.asked} {what}", []).append(name)
    hidden = [name for name, exposure in models.items() if exposure.unknown]
    more = f"What {', '.join(hidden)} saw is not fully known." if hidden else ""
    if not seen:
        return replace(finding, mark="contamination unknown" if hidden else "", caution=more)
    left = "too few are left to say" if without == "not in this run" else without
    said = "; ".join(f"{problems} stand in what {', '.join(names)} saw" for problems, names in seen.items())
    caution = f"{said}. On the problems that no model saw: {left}. {more}".strip()
    return replace(finding, mark="contaminated", caution=caution)


def contamination_lead(found: Sequence[Finding]) -> str:
    """What the page's first paragraph says of it; nothing where all is clean."""
    marked = {mark: sum(f.mark == mark for f in found) for mark in ("contaminated", "contamination unknown")}
    said = {
        "contaminated": "rest on problems that a model had seen (marked so)",
        "contamination unknown": "rest on models of which nobody can say what they had seen (marked so)",
    }
    return " ".join(f"Of these verdicts {count} {said[mark]}." for mark, count in marked.items() if count)
