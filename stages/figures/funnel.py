"""What curation dropped and why: a funnel a stage, as a plot and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.ticker import PercentFormatter

from stages.contract.results import CURATED, Funnel, Run
from stages.figures.drawing import HALF, STYLE, Chart, canvas, done, missing
from stages.figures.palette import INK, MUTED, colour

TITLES = {
    "prompts": "Training problems",
    "cold_start": "Cold-start data",
    "rejection": "Rejection-sampled data (the paper's 800K set)",
}
REASONS: Mapping[str, str] = {
    "forgotten": "named in the stage's forget",
    "license_not_wanted": "under a licence that is not wanted, or not known",
    "incorrect": "not verified as correct",
    "truncated": "cut off while thinking",
    "bad_format": "outside the template",
    "mixed_language": "too many words in another language than the question's",
    "code_block": "a code block in the thought",
    "long_paragraph": "a paragraph of the thought is too long",
    "too_long": "too many tokens",
    "too_short": "too few words",
    "repetition": "repeats itself",
    "held_out_text": "is a held-out problem",
    "held_out_state": "works on a held-out problem",
    "held_out_ngram": "shares words in a row with a held-out problem",
    "held_out_template": "is a held-out problem with other numbers",
    "held_out_near": "much like a held-out problem",
    "duplicate": "same as another row",
    "near_duplicate": "much like another row",
    "too_hard": "its prompt is answered rightly too rarely",
    "too_easy": "its prompt is answered rightly too often",
    "not_sampled": "more rows of its prompt than are kept",
    "over_target": "more rows of its domain than are wanted",
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a funnel's table. `first` and `last` are the rows left before and after it."""

    step: str
    rows: int
    share: str  # of the rows that came in
    first: int
    last: int
    meaning: str


@dataclass(frozen=True, kw_only=True)
class FunnelPart:
    """A curated stage's part of the page."""

    stage: str
    chart: Chart
    lines: Sequence[Line]


def funnel_parts(run: Run) -> list[FunnelPart]:
    """All curated stages in the pipeline's order; one without a funnel says so."""
    with matplotlib.rc_context(STYLE):
        return [_part(stage, run.funnels.get(stage)) for stage in CURATED]


def _part(stage: str, funnel: Funnel | None) -> FunnelPart:
    title, key = TITLES[stage], f"funnel-{stage}"
    if funnel is None:
        return FunnelPart(stage=stage, chart=missing(key, title, f"the funnel of {stage}"), lines=[])
    lines = funnel_lines(funnel)
    chart = _drawn(key, title, lines) if funnel.rows else missing(key, title, f"rows that came into {stage}")
    return FunnelPart(stage=stage, chart=chart, lines=lines)


def funnel_lines(funnel: Funnel) -> list[Line]:
    """The table: in, each reason, out."""
    first, lines = 0, []
    for step, rows in {"in": funnel.rows, **funnel.dropped, "out": funnel.kept}.items():
        last = rows if step in ("in", "out") else first - rows
        said = {"in": "rows that came in", "out": "rows that were kept"}.get(step, REASONS.get(step, ""))
        lines.append(Line(step=step, rows=rows, share=share(rows, funnel.rows), first=first, last=last, meaning=said))
        first = last
    return lines


def share(part: int, whole: int) -> str:
    """A share in percent, with digits enough for a small one.

    >>> share(4526, 7200), share(4, 7200), share(1, 800_000), share(799_999, 800_000), share(5, 5), share(0, 5)
    ('62.9%', '0.06%', '<0.01%', '>99.9%', '100%', '0%')
    """
    if whole == 0:
        return "–"
    value = 100 * part / whole
    if part in (0, whole):
        return f"{value:.0f}%"
    if value < 0.01 or value > 99.9:
        return "<0.01%" if value < 1 else ">99.9%"
    return f"{value:.{2 if value < 1 else 1}f}%"


def _drawn(key: str, title: str, lines: Sequence[Line]) -> Chart:
    """A bar a line from the top, those that drop rows where they leave off; each with its count and share."""
    rows = lines[0].rows
    figure = canvas((HALF[0], 0.7 + 0.27 * len(lines)))
    axes = figure.add_subplot()
    for place, line in enumerate(lines):
        ends = (0, line.rows) if line.step in ("in", "out") else (line.last, line.first)
        shade = {"in": MUTED, "out": colour("align")}.get(line.step, colour("grpo"))
        # The edge keeps a few rows of a million in sight.
        axes.barh(place, (ends[1] - ends[0]) / rows, left=ends[0] / rows, height=0.62, color=shade, edgecolor=shade, linewidth=1.2)  # fmt: skip
        axes.annotate(
            f"{line.rows:,} · {line.share}", (ends[1] / rows, place), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=9, color=INK,
        )  # fmt: skip
    axes.set_yticks(range(len(lines)), [line.step for line in lines])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlim(0, 1.3)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(False, axis="y")
    axes.set_xlabel("of the rows that came in")
    kept = lines[-1]
    caption = f"Of {rows:,} rows {kept.rows:,} were kept ({kept.share})."
    return done(figure, key, title, caption)


def funnels_markdown(parts: Sequence[FunnelPart]) -> list[str]:
    """The tables as Markdown lines."""
    found = []
    for part in parts:
        if part.lines:
            found += ["", f"{part.chart.title} (`{part.stage}`)", "", "| step | rows | share | meaning |", "| --- | ---: | ---: | --- |"]  # fmt: skip
            found += [f"| {line.step} | {line.rows:,} | {line.share} | {line.meaning} |" for line in part.lines]
    return found
