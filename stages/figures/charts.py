"""The figures of a run's trainings and scores."""

import math
from collections.abc import Callable, Iterable, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter

from stages.contract.results import RL_STAGES, Curve, Estimate, Run
from stages.figures.drawing import HALF, STYLE, WHOLE, Chart, canvas, done, missing
from stages.figures.findings import percent
from stages.figures.palette import INK, MUTED, colour
from stages.figures.paper import label

DASHES: tuple[object, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)))


def charts(run: Run) -> list[Chart]:
    """All figures, in the page's order."""
    draw: tuple[Callable[[Run], Chart], ...] = (
        _stages, _zero_accuracy, _zero_length, _reflection, _languages, _pass_at, _difficulty, _distillation, _alignment, _health,
    )  # fmt: skip
    with matplotlib.rc_context(STYLE):
        return [chart(run) for chart in draw]


def _step_axis(axes: Axes, said: str) -> None:
    axes.set_xlabel(said)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))


def _shares(axes: Axes, *, low: float = 0.0, high: float = 1.0) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylim(low, high + 0.02 * (high - low))


def _line(axes: Axes, points: Iterable[tuple[float, float]], **options: object) -> None:
    listed = list(points)
    axes.plot([x for x, _ in listed], [y for _, y in listed], **options)  # type: ignore[arg-type]  # the artist's properties


def _errors(found: Sequence[Estimate]) -> list[list[float]]:
    """Distances to the interval's ends, not below 0; none where there is no interval."""
    return [
        [max(0.0, f.mean - f.low) if f.low == f.low else 0.0 for f in found],
        [max(0.0, f.high - f.mean) if f.high == f.high else 0.0 for f in found],
    ]


def _smoothed(points: Sequence[tuple[float, float]], width: int = 5) -> list[tuple[float, float]]:
    """Running mean over the last `width` steps."""
    values = [v for _, v in points]
    return [(s, sum(values[max(0, i - width + 1) : i + 1]) / min(width, i + 1)) for i, (s, _) in enumerate(points)]


# -- the figures ----------------------------------------------------------------------------------


def _stages(run: Run) -> Chart:
    key, title = "stages", "Accuracy over all stages"
    stages = [s for s in RL_STAGES if run.curves.get(s, Curve()).points("accuracy")]
    if not stages:
        return missing(key, title, "training curves", wide=True)
    figure = canvas(WHOLE)
    axes = figure.add_subplot()
    starts = {"zero": "base", "grpo": "cold_sft", "align": "sft"}
    offset, ticks = 0.0, []
    gap = 0.06 * sum(run.curves[s].steps[-1] for s in stages)
    for stage in stages:
        curve = run.curves[stage]
        last = curve.steps[-1]
        _line(
            axes, [(offset + s, v) for s, v in curve.points("accuracy")], color=colour(stage), alpha=0.35, linewidth=1
        )
        _line(
            axes,
            [(offset + s, v) for s, v in run.validations.get(stage, Curve()).points("accuracy")],
            color=colour(stage),
        )
        for name, at in ((starts[stage], offset), (stage, offset + last)):
            if name in run.models:
                found = run.models[name].accuracy
                axes.errorbar(
                    [at],
                    [found.mean],
                    yerr=_errors([found]),
                    fmt="o",
                    color=colour(name),
                    markersize=8,
                    capsize=3,
                    zorder=5,
                )
                axes.annotate(
                    f"{label(name)} {percent(found.mean)}%", (at, found.mean), xytext=(9, -13 if name != stage else 9), textcoords="offset points",
                    ha="left", va="center", fontsize=9, color=colour(name), fontweight="bold",
                )  # fmt: skip
        axes.axvline(offset, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.axvline(offset + last, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        ticks += [(offset + s, f"{s:.0f}") for s in _round_steps(last)]
        axes.annotate(
            {"zero": "RL from base", "grpo": "reasoning RL", "align": "alignment RL"}[stage],
            (offset + last / 2, 0.04),
            ha="center",
            fontsize=9,
            color=MUTED,
        )
        offset += last + 3 * gap
    axes.set_xlim(-0.3 * gap, offset - 0.6 * gap)
    axes.xaxis.set_major_locator(FixedLocator([x for x, _ in ticks]))
    axes.set_xticklabels([text for _, text in ticks])
    axes.grid(False, axis="x")
    axes.set_xlabel("policy update (each stage counts its own)")
    axes.set_ylabel("accuracy")
    _shares(axes)
    caption = (
        "Dots with 95% intervals: pass@1 on the held-out test problems, at the start and at the end of each RL stage. Bold line: validation accuracy; "
        "pale line: the training batch's accuracy. Between the RL stages lies supervised fine-tuning: cold start (Dev1), and the rejection-sampled set (Dev3, from base)."
    )
    return done(figure, key, title, caption, wide=True)


def _round_steps(last: float) -> list[float]:
    ticks = [t for t in MaxNLocator(nbins=4, integer=True).tick_values(0, last) if 0 <= t <= last]
    return [float(t) for t in ticks]


def _zero_accuracy(run: Run) -> Chart:
    key, title = "zero-accuracy", "R1-Zero's validation accuracy"
    curve = run.validations.get("zero", Curve())
    if not curve.points("accuracy"):
        return missing(key, title, "zero's validation curve")
    figure = canvas(HALF)
    axes = figure.add_subplot()
    families = sorted(name for name in curve.columns if name.startswith("accuracy_"))
    for name, dashes in zip(families, DASHES * len(families), strict=False):
        _line(
            axes, curve.points(name), color=MUTED, linewidth=1.0, linestyle=dashes, label=name.removeprefix("accuracy_")
        )
    _line(
        axes,
        curve.points("accuracy"),
        color=colour("zero"),
        linewidth=2.6,
        marker="o",
        markersize=4,
        label="all problems",
    )
    _step_axis(axes, "policy update")
    axes.set_ylabel("accuracy")
    _shares(axes)
    axes.legend(loc="lower right", ncols=2)
    first, last = curve.points("accuracy")[0][1], curve.points("accuracy")[-1][1]
    caption = (
        f"From {percent(first)}% to {percent(last)}% by reinforcement learning from the base model, with rewards by rule alone. Thin lines: each problem family. "
        "One draw of each validation problem; the paper's counterpart is its Fig. 1a (AIME 2024, 15.6% to 77.9%)."
    )
    return done(figure, key, title, caption)


def _zero_length(run: Run) -> Chart:
    key, title = "zero-length", "R1-Zero's response length and language"
    curve = run.curves.get("zero", Curve())
    if not curve.points("length"):
        return missing(key, title, "zero's training curve")
    figure = canvas(HALF)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _line(upper, curve.points("length"), color=colour("zero"), alpha=0.35, linewidth=1)
    _line(upper, _smoothed(curve.points("length")), color=colour("zero"))
    upper.set_ylabel("length (tokens)")
    upper.set_ylim(bottom=0)
    _line(lower, curve.points("language"), color=colour("zero"), alpha=0.35, linewidth=1)
    _line(lower, _smoothed(curve.points("language")), color=colour("zero"))
    lower.set_ylabel("language\nconsistency")
    _shares(lower, low=min([0.5, *(v for _, v in curve.points("language"))]))
    _step_axis(lower, "policy update")
    points = _smoothed(curve.points("length"))
    caption = (
        f"Training responses: {points[0][1]:.1f} tokens in the first batch, {points[-1][1]:.1f} over the last five. Pale: each batch; bold: mean of five. "
        "Nothing in the reward asks for length. The paper's counterpart is v1 Fig. 3 (about 500 to 9,000 tokens)."
    )
    return done(figure, key, title, caption)


def _reflection(run: Run) -> Chart:
    key, title = "reflection", "Reflective words"
    stages = [s for s in RL_STAGES if run.validations.get(s, Curve()).points("reflective")]
    if not stages:
        return missing(key, title, "validation curves")
    figure = canvas(HALF)
    axes = figure.add_subplot()
    for stage in stages:
        _line(
            axes,
            run.validations[stage].points("reflective"),
            color=colour(stage),
            marker="o",
            markersize=3.5,
            label=label(stage),
        )
    _step_axis(axes, "policy update of the stage")
    axes.set_ylabel("words a response")
    axes.set_ylim(bottom=0)
    axes.legend(loc="best")
    ends = [(label(s), run.validations[s].points("reflective")) for s in stages]
    moved = "; ".join(f"{name} {points[0][1]:.2f} → {points[-1][1]:.2f}" for name, points in ends)
    caption = (
        f"wait, check and the paper's other eight, and 等等, 检查, in the validation responses: {moved}. In this world checking pays in the code "
        "family, where hypotheses must be tried. Paper: C.2 (5 to 7 times)."
    )
    return done(figure, key, title, caption)


def _languages(run: Run) -> Chart:
    key, title = "languages", "Language consistency, with and without its reward"
    stages = [s for s in RL_STAGES if run.validations.get(s, Curve()).points("language")]
    if not stages:
        return missing(key, title, "validation curves")
    figure = canvas(HALF)
    axes = figure.add_subplot()
    lowest = 1.0
    for stage in stages:
        points = run.validations[stage].points("language")
        lowest = min(lowest, *(v for _, v in points))
        rewarded = "rules only" if stage == "zero" else "language reward"
        _line(axes, points, color=colour(stage), marker="o", markersize=3.5, label=f"{label(stage)} ({rewarded})")
    axes.axhline(0.98, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate(
        "goal 98%",
        (0.01, 0.98),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3),
        textcoords="offset points",
        va="top",
        fontsize=8.5,
        color=MUTED,
    )
    _step_axis(axes, "policy update of the stage")
    axes.set_ylabel("share of words in\nthe question's language")
    _shares(axes, low=max(0.0, math.floor(10 * lowest - 0.5) / 10))
    axes.legend(loc="lower right")
    caption = "Validation responses. R1-Zero is rewarded for right answers and format only; Dev2 starts from the cold-start model and is rewarded for its language too. Paper: B.6 (its ablation)."
    return done(figure, key, title, caption)


def _pass_at(run: Run) -> Chart:
    key, title = "pass-at-k", "pass@k of every model"
    models = [m for m in run.models.values() if len(m.pass_at) > 1]
    if not models:
        return missing(key, title, "models with more than one draw a problem")
    figure = canvas((5.8, 3.9))
    axes = figure.add_subplot()
    for model in models:
        ks = list(model.pass_at)
        found = list(model.pass_at.values())
        dashes = "-" if not model.student else (0, (5, 2))
        axes.plot(
            ks,
            [f.mean for f in found],
            color=colour(model.name),
            linestyle=dashes,
            marker="o",
            markersize=3.5,
            label=label(model.name),
        )
        axes.fill_between(
            ks, [f.low for f in found], [f.high for f in found], color=colour(model.name), alpha=0.13, linewidth=0
        )
    axes.set_xscale("log", base=2)
    ticks = sorted({k for model in models for k in model.pass_at})
    axes.xaxis.set_major_locator(FixedLocator([float(k) for k in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(k) for k in ticks])
    axes.set_xlabel("k (draws)")
    axes.set_ylabel("pass@k")
    _shares(axes)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8.5)
    caption = "Chance that one of k draws is right (unbiased), with 95% bands over problems; students dashed. Where RL only sharpens what the base can do, the curves meet at large k."
    both = [run.models[n] for n in ("base", "zero") if n in run.models and ticks[-1] in run.models[n].pass_at]
    if len(both) == 2:
        caption += f" At k = {ticks[-1]}: base {percent(both[0].pass_at[ticks[-1]].mean)}%, R1-Zero {percent(both[1].pass_at[ticks[-1]].mean)}%."
    return done(figure, key, title, caption)


def _difficulty(run: Run) -> Chart:
    key, title = "difficulty", "Length and accuracy by difficulty"
    models = [run.models[n] for n in ("base", "zero", "align") if n in run.models and run.models[n].by_difficulty]
    if not models:
        return missing(key, title, "base, zero and align")
    figure = canvas(HALF)
    for place, (name, axes) in enumerate(zip(("length (tokens)", "accuracy"), figure.subplots(1, 2), strict=True)):
        for model in models:
            levels = list(model.by_difficulty)
            found = [values[1 - place] for values in model.by_difficulty.values()]
            axes.errorbar(
                levels,
                [f.mean for f in found],
                yerr=_errors(found),
                color=colour(model.name),
                marker="o",
                markersize=4,
                capsize=2.5,
                label=label(model.name),
            )
        axes.set_xlabel("difficulty (operations)")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if place:
            _shares(axes)
        else:
            axes.set_ylim(bottom=0)
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3)
    said = ", ".join(
        f"{label(m.name)} {m.length_rank['all'].mean:.2f}"
        for m in models
        if m.length_rank["all"].mean == m.length_rank["all"].mean
    )
    caption = f"Test problems, 95% intervals. Left: how many tokens a response spends; right: how often it is right. Rank correlation of length with difficulty: {said or 'not defined'}."
    return done(figure, key, title, caption)


def _distillation(run: Run) -> Chart:
    key, title = "distillation", "Distillation against RL on the same student"
    models = [m for m in run.models.values() if m.student]
    if not models:
        return missing(key, title, "students")
    figure = canvas(HALF)
    axes = figure.add_subplot()
    ordered = sorted(
        models,
        key=lambda m: (
            m.student,
            ("student", "student_zero", "distill").index(m.kind)
            if m.kind in ("student", "student_zero", "distill")
            else 3,
        ),
    )
    said = {"student": "base", "student_zero": "RL alone", "distill": "distilled"}
    found = [m.accuracy for m in ordered]
    axes.bar(
        range(len(ordered)),
        [f.mean for f in found],
        yerr=_errors(found),
        color=[colour(m.name) for m in ordered],
        width=0.62,
        capsize=4,
        ecolor=INK,
    )
    for place, f in enumerate(found):
        top = f.high if f.high == f.high else f.mean
        axes.annotate(
            f"{percent(f.mean)}%", (place, top), xytext=(0, 4), textcoords="offset points", ha="center", fontsize=9.5
        )
    axes.set_xticks(range(len(ordered)), [f"{m.student}\n{said.get(m.kind, m.kind)}" for m in ordered])
    axes.grid(False, axis="x")
    if "align" in run.models:
        teacher = run.models["align"].accuracy.mean
        axes.axhline(teacher, color=colour("align"), linewidth=1.2, linestyle=(0, (4, 3)))
        axes.annotate(
            f"R1 {percent(teacher)}%",
            (0.01, teacher),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=9,
            color=colour("align"),
        )
    axes.set_ylabel("pass@1")
    _shares(axes, high=1.06)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.2, 0.4, 0.6, 0.8, 1.0]))
    caption = "pass@1 on the test problems with 95% intervals. The paper's counterpart: Qwen 32B on AIME 2024, 47.0% by RL alone, 72.6% distilled."
    return done(figure, key, title, caption)


def _alignment(run: Run) -> Chart:
    key, title = "alignment", "Alignment RL: preference and rule-graded accuracy"
    curve = run.validations.get("align", Curve())
    if not curve.points("accuracy"):
        return missing(key, title, "align's validation curve")
    figure = canvas(HALF)
    axes = figure.add_subplot()
    _line(
        axes,
        curve.points("accuracy"),
        color=colour("align"),
        marker="o",
        markersize=4,
        label="validation accuracy (rules)",
    )
    _line(
        axes,
        curve.points("preference"),
        color=colour("distill"),
        linestyle=(0, (5, 2)),
        marker="s",
        markersize=4,
        label="preference (reward models)",
    )
    lowest = min(v for name in ("accuracy", "preference") for _, v in curve.points(name))
    if run.joined is not None:
        axes.axvline(run.joined, color=MUTED, linewidth=1.1, linestyle=(0, (2, 2)))
        axes.annotate(
            "general prompts\njoin",
            (run.joined, 0.04),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
            fontsize=9,
            color=MUTED,
        )
    _step_axis(axes, "policy update")
    axes.set_ylabel("score on held-out prompts")
    _shares(axes, low=max(0.0, math.floor(10 * lowest - 1) / 10))
    figure.legend(loc="outside lower center", ncols=2)
    caption = "The reward hacking watch (paper: Fig. 6). A preference score that rises while the rule-graded accuracy falls is a reward model being gamed; the paper therefore lets general prompts in for the last 400 of 1,700 steps only."
    return done(figure, key, title, caption)


def _health(run: Run) -> Chart:
    key, title = "health", "RL health"
    stages = [s for s in RL_STAGES if run.curves.get(s, Curve()).steps]
    if not stages:
        return missing(key, title, "training curves", wide=True)
    figure = canvas((11.6, 2.9))
    panels = (
        ("entropy", "entropy (nats a token)"),
        ("kl", "KL to the reference (nats a token)"),
        ("truncated", "truncated responses"),
        ("zero_variance", "groups without variance"),
    )
    for (name, said), axes in zip(panels, figure.subplots(1, 4), strict=True):
        for stage in stages:
            _line(
                axes, _smoothed(run.curves[stage].points(name)), color=colour(stage), linewidth=1.5, label=label(stage)
            )
        axes.set_title(said)
        _step_axis(axes, "policy update")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.set_ylim(bottom=0)
        if name in ("truncated", "zero_variance"):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    flat = [s for s in stages if not any(v for _, v in run.curves[s].points("kl"))]
    caption = "Means of five batches. Entropy that falls to zero, responses cut at the cap, or groups whose answers all earn the same (they teach nothing) are the usual ways for RL to stall."
    if flat:
        caption += f" No KL term, so no KL is measured, in {', '.join(label(s) for s in flat)}."
    return done(figure, key, title, caption, wide=True)
