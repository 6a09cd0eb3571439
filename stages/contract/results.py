"""What the report draws: one run, measured. Values only: stages/evals measures them, stages/figures draws them.

Shares are 0-1, lengths are tokens. An interval may be NaN (a single question has none), and every
comparison with NaN is false, so nothing is ever "shown" without an interval.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

ORDER = ("base", "zero", "cold_sft", "grpo", "sft", "align", "student", "student_zero", "distill")
RL_STAGES = ("zero", "grpo", "align")
CURATED = ("prompts", "cold_start", "rejection")


class Estimate(Protocol):
    """A mean over questions with its 95% interval."""

    @property
    def mean(self) -> float: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...

    @property
    def num_questions(self) -> int: ...

    @property
    def num_draws(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """One model's answers to the test problems and, where it was asked, to the general prompts."""

    name: str
    accuracy: Estimate
    families: Mapping[str, Estimate]
    votes: int  # k of cons@k: the fewest draws of a problem
    cons: Estimate
    cons_gain: Estimate  # cons@k less pass@1, paired by problem
    pass_at: Mapping[int, Estimate]
    format: Estimate
    language: Estimate  # of the responses with a thought: the others mix nothing
    length: Estimate
    thoughts: Estimate  # share of responses with a thought
    thinking_length: Estimate | None  # length of those; None where there is none
    reflective: Estimate  # reflective words in a response
    reflective_families: Mapping[str, Estimate]
    by_difficulty: Mapping[int, tuple[Estimate, Estimate]]  # difficulty -> accuracy, length
    length_rank: Mapping[str, Estimate]  # Spearman of length with difficulty: over "all" and over "correct" responses
    refusals: Estimate | None = None  # on unsafe prompts
    false_refusals: Estimate | None = None  # on the safe look-alikes
    preference: Estimate | None = None  # reward models' score on general prompts

    @property
    def kind(self) -> str:
        """`distill` of `distill-small`."""
        return self.name.partition("-")[0]

    @property
    def student(self) -> str:
        return self.name.partition("-")[2]


@dataclass(frozen=True, kw_only=True)
class Change:
    """Paired differences between two models over the questions that both were asked."""

    accuracy: Estimate
    families: Mapping[str, Estimate]
    length: Estimate
    reflective: Estimate
    language: Estimate | None = None  # None: no problem where both models think
    preference: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How many of the problems that a model was asked stand in what it ever saw."""

    seen: int = 0
    asked: int = 0


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """The contamination verdict on one model's scores."""

    test: Overlap  # the test problems, which rules grade
    general: Overlap  # the general prompts
    places: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (table, how) -> problems
    num_tables: int = 0  # that were looked at
    unknown: Sequence[str] = ()  # what the model saw, or may have seen, and nobody could look at
    accuracy: Estimate | None = None  # pass@1 without the test problems it saw; None where it saw none, or all

    @property
    def seen(self) -> int:
        return self.test.seen + self.general.seen


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """A curation's rows in, and dropped by each reason, in the order in which it counts them."""

    rows: int
    dropped: Mapping[str, int]

    @property
    def kept(self) -> int:
        return self.rows - sum(self.dropped.values())


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A training or validation curve. Values that a step lacks are NaN."""

    columns: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def steps(self) -> Sequence[float]:
        return self.column("step")

    def column(self, name: str) -> Sequence[float]:
        return self.columns.get(name, ())

    def points(self, name: str) -> list[tuple[float, float]]:
        """(step, value) wherever there is a value."""
        return [(s, v) for s, v in zip(self.steps, self.column(name), strict=False) if not math.isnan(v)]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One response and what the rules said of it."""

    title: str
    text: str
    verdict: str
    reason: str
    num_tokens: int


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """Responses that belong side by side, under one prompt (empty: each has its own, in its title)."""

    group: str  # tests | training | general
    label: str
    prompt: str
    samples: Sequence[Sample]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything the report shows."""

    profile: str
    seed: int
    models: Mapping[str, ModelResult]  # in pipeline order
    changes: Mapping[tuple[str, str], Change]  # (after, before)
    curves: Mapping[str, Curve]  # stage -> training curve
    validations: Mapping[str, Curve]
    exhibits: Sequence[Exhibit] = ()
    metrics: Mapping[str, Mapping[str, float | int | str]] = field(default_factory=dict)
    exposures: Mapping[str, Exposure] = field(default_factory=dict)  # model -> verdict
    funnels: Mapping[str, Funnel] = field(default_factory=dict)  # curated stage -> its funnel

    @property
    def families(self) -> list[str]:
        return sorted({family for model in self.models.values() for family in model.families})

    @property
    def students(self) -> list[str]:
        return sorted({m.student for m in self.models.values() if m.student})

    @property
    def joined(self) -> float | None:
        """The first alignment step with general prompts: the first that a reward model judged."""
        points = self.curves.get("align", Curve()).points("preference")
        return points[0][0] if points else None


def pipeline_order(names: Sequence[str]) -> list[str]:
    """Model names in the pipeline's order, unknown ones last.

    >>> pipeline_order(["distill-small", "align", "base", "student-small"])
    ['base', 'align', 'student-small', 'distill-small']
    """
    place = {kind: index for index, kind in enumerate(ORDER)}
    return sorted(names, key=lambda name: (place.get(name.partition("-")[0], len(ORDER)), name))
