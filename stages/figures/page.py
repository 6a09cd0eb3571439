"""The page: everything put into the template. Nothing is loaded from elsewhere, and the bytes follow from the run alone."""

from collections import Counter
from collections.abc import Sequence

from jinja2 import Environment, StrictUndefined

from stages.contract.results import Run
from stages.figures.contamination import contamination_lead, said_of
from stages.figures.dag import dag
from stages.figures.drawing import Chart
from stages.figures.findings import Finding
from stages.figures.funnel import FunnelPart
from stages.figures.palette import DARK, LIGHT
from stages.figures.table import NOTE, ResultTable
from stages.figures.template import PAGE
from stages.figures.traces import Words, highlighted

GROUPS = (
    ("tests", "The same test problems before and after", "answers of base, zero and align to one test problem"),
    ("training", "R1-Zero's training, early and late", "rollouts of zero"),
    ("general", "General prompts before and after alignment", "answers of sft and align to general prompts"),
)


def page(
    run: Run,
    found: Sequence[Finding],
    drawn: Sequence[Chart],
    parts: Sequence[FunnelPart],
    table: ResultTable,
    words: Words,
) -> str:
    """The whole HTML file."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False, keep_trailing_newline=True)
    return environment.from_string(PAGE).render(
        run=run,
        findings=found,
        lead=lead(run, found),
        charts=drawn,
        funnels=parts,
        exposures=said_of(run),
        table=table,
        note=NOTE,
        exhibits=run.exhibits,
        groups=GROUPS,
        highlight=lambda text: highlighted(text, words),
        dag=dag(),
        light=_variables(LIGHT),
        dark=_variables(DARK),
    )


def lead(run: Run, found: Sequence[Finding]) -> str:
    """The first paragraph: how many effects show, and what does not."""
    effects = [f for f in found if f.key != "reward_hacking"]
    counts = Counter(f.verdict for f in effects)
    tally = ", ".join(
        f"{counts[v]} {v}" for v in ("shown", "partly shown", "not shown", "not in this run") if counts[v]
    )
    watch = next((f for f in found if f.key == "reward_hacking"), None)
    first = next(iter(run.models.values()), None)
    asked = f" on {first.accuracy.num_questions} held-out problems with {first.votes} draws each" if first else ""
    said = f"Of the paper's {len(effects)} effects that this page looks for, {tally}. Every verdict is computed from this run's answers{asked}, not written by hand."
    few = first is not None and first.accuracy.num_questions < 50
    said += " With so few problems the intervals are wide, and little can be shown." if few else ""
    said += f" Reward hacking: {watch.verdict}." if watch is not None else ""
    return f"{said} {contamination_lead(found)}".strip()


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
