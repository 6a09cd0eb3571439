"""The GRPO loop: sample groups of completions, score them, compare within the group, update.

One *step* is one policy update. A rollout feeds `steps_per_rollout` steps, its completions split among
them at random (the paper: 8,192 outputs into 16 minibatches), so all but the first are off-policy.

Shapes: P prompts, G completions a prompt (the group), B rows of a micro-batch, T positions.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor

from stages.contract.course import UNKEPT, Course, Progress
from stages.contract.engine import Codec, Completion, Engine
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.params import RL
from stages.contract.phases import phases
from stages.contract.task import Score, Scorer, Task
from stages.rl.objective import Normaliser, advantages, grpo_loss, normalised_sum, zero_variance

P = TypeVar("P")
R = TypeVar("R")
L = TypeVar("L")  # what training changes, as whoever commits it takes it (stages/model/optimiser.py)
L_co = TypeVar("L_co", covariant=True)


class Optimisation(Protocol[L_co]):
    """Turns gradients into updates."""

    def live(self) -> Mapping[str, L_co]: ...

    def update(self, lr: float) -> float:
        """Clip the gradients, update the weights, forget the gradients; the norm that they had before clipping. The
        caller ends where it is not finite."""


class Policy(Protocol[L_co]):
    """The model in training. `accumulate` and `measure` spread their parts over what the policy has to compute with."""

    def logps(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]: ...

    def micro_batches(self, lengths: Sequence[int], budget: int) -> list[list[int]]: ...

    def accumulate(self, parts: Sequence[P], loss_of: Callable[[P], tuple[Tensor, R]]) -> list[R]: ...

    def measure(self, parts: Sequence[P], figure_of: Callable[[P], R]) -> list[R]: ...

    def frozen_copy(self) -> "Policy[L_co]": ...

    def weights(self) -> L_co: ...


@dataclass(kw_only=True)
class Sample:
    """One completion on its way through a step."""

    task: Task
    draw: int
    prompt: list[int]
    tokens: list[int]
    engine_logps: list[float]
    finished: bool
    text: str = ""
    score: Score | None = None
    advantage: float = 0.0
    masked: str | None = None
    old_logps: list[float] = field(default_factory=list)

    @property
    def earned(self) -> Score:
        assert self.score is not None
        return self.score


@dataclass(frozen=True, kw_only=True)
class Parts(Generic[L]):
    """What the loop drives."""

    policy: Policy[L]
    engine: Engine
    codec: Codec
    score: Scorer
    pick: Callable[[int], list[Task]]  # step -> the tasks of that step
    forbidden: Callable[[str], bool]  # whether a text shows a held-out problem: such a row gives no gradient
    reflective: Callable[[str], int]  # reflective words in a text
    validate: Callable[[Callable[[Sequence[Task]], list[Sample]]], dict[str, float]] | None
    keep: Callable[[int, Sequence[Sample]], None]  # step, its samples: written to the rollouts table
    used: Callable[[int, Sequence[Sample]], None] = lambda step, samples: None  # every step, its samples: the ledger
    begin: Callable[[Task, str, bool], None] | None = None  # (task, text, finished): before `score` is asked for it


def train(
    parts: Parts[L],
    settings: RL,
    *,
    seed: int,
    optimisation: Optimisation[L],
    report: Reporter,
    progress: Progress[L] = UNKEPT,
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Run `settings.steps` policy updates. Returns the training curve (a row a step) and the validation curve.

    `kl` in the training curve is the divergence from the reference; without a reference, the one from where training
    began, as the last validation measured it. States are committed between rollouts.
    """
    torch.use_deterministic_algorithms(True)
    objective = settings.objective
    reference = parts.policy.frozen_copy() if objective.kl != "none" and objective.kl_beta else None
    # Not saved: it is what training began with. Only validation asks for it.
    origin = parts.policy.frozen_copy() if parts.validate else parts.policy
    report.phase("GRPO", total=settings.steps)
    live = {**optimisation.live(), **({"reference": reference.weights()} if reference else {})}
    course = Course(progress, live, total=settings.steps, plan=partial(_rows, parts, settings), report=report)
    curve, validation, sampled = _so_far(course.plain)
    if not course.step:
        _validate(parts, settings, 0, seed, origin, validation)
    waiting: list[list[Sample]] = []  # the rollout's parts that no update has used yet
    groups, off_policy = 0.0, False
    for step in course.steps():
        if not waiting:
            updates = min(settings.steps_per_rollout, settings.steps - step)
            rollout = _sample(parts, settings, step, updates, seed)
            groups = _score(parts, settings, step, rollout)
            off_policy = updates > 1
            if off_policy:
                with phases("train"):
                    _remember(parts.policy, rollout, settings)
            waiting = _split(rollout, updates, seed=seed * 7919 + step)
        part = waiting.pop(0)
        if reference is not None and step and step % settings.reference_every == 0:
            reference = parts.policy.frozen_copy()
            live["reference"] = reference.weights()
        with phases("train"):
            row = _update(parts.policy, reference, part, settings, step, optimisation, off_policy=off_policy)
        row |= _figures(parts, part) | {"zero_variance": groups}
        if reference is None and validation:
            row["kl"] = validation[-1]["kl"]
        sampled += sum(len(s.tokens) for s in part)
        curve.append({"step": step + 1, **row})
        parts.used(step + 1, part)
        if step % settings.keep_rollouts == 0 or step + 1 == settings.steps:
            parts.keep(step + 1, part)
        if (step + 1) % settings.validate_every == 0 or step + 1 == settings.steps:
            _validate(parts, settings, step + 1, seed, origin, validation)
        held_out = {"val_accuracy": validation[-1]["accuracy"]} if validation else {}
        report.step(step + 1, {**row, **held_out, "tokens": sampled}, why=_why(part))
        course.done(
            [s.task.id for s in part],
            partial(dict, curve=curve, validation=validation, sampled=sampled),
            may_commit=not waiting,
        )
    course.finish()
    return curve, validation


def limit_at(settings: RL, step: int) -> int:
    """New tokens allowed at a step."""
    return [s.max_new_tokens for s in settings.lengths if s.from_step <= step][-1]


def _rows(parts: Parts[L], settings: RL, step: int) -> list[str]:
    """The tasks of a step, once for each completion."""
    return [task.id for task in parts.pick(step) for _ in range(settings.group_size)]


def _so_far(plain: Mapping[str, object]) -> tuple[list[dict[str, float]], list[dict[str, float]], int]:
    """The two curves, and the tokens sampled."""
    found = plain or {"curve": [], "validation": [], "sampled": 0}
    return cast(
        tuple[list[dict[str, float]], list[dict[str, float]], int],
        (found["curve"], found["validation"], found["sampled"]),
    )


def _sample(parts: Parts[L], settings: RL, step: int, updates: int, seed: int) -> list[Sample]:
    tasks = [task for update in range(updates) for task in parts.pick(step + update)]
    return _draw(parts, settings, tasks, settings.group_size, limit_at(settings, step), seed * 1_000_003 + step)


def _draw(parts: Parts[L], settings: RL, tasks: Sequence[Task], draws: int, limit: int, seed: int) -> list[Sample]:
    """Sample completions. Whoever grades them (`parts.begin`) may begin with the first while the last are sampled."""
    prompts = [parts.codec.prompt(task.prompt) for task in tasks]
    begin = parts.begin

    def finished(place: int, draw: int, completion: Completion) -> None:
        assert begin
        begin(tasks[place], parts.codec.text(completion.tokens), completion.finished)

    with phases("generate"):
        groups = parts.engine.generate(
            prompts,
            draws=draws,
            max_new_tokens=limit,
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=seed,
            on_finished=finished if begin else None,
        )
    return [
        Sample(
            task=task,
            draw=draw,
            prompt=prompt,
            tokens=c.tokens,
            engine_logps=c.logps,
            finished=c.finished,
            text=parts.codec.text(c.tokens),
        )
        for task, prompt, group in zip(tasks, prompts, groups, strict=True)
        for draw, c in enumerate(group)
    ]


def _score(parts: Parts[L], settings: RL, step: int, rollout: list[Sample]) -> float:
    """Fill in scores, advantages and masks; the share of groups without variance."""
    _grade(parts, rollout, limit_at(settings, step))
    advantage_PG, flat = _compare(rollout, settings)
    for index, sample in enumerate(rollout):
        group, draw = divmod(index, settings.group_size)
        sample.advantage = float(advantage_PG[group, draw])
        if settings.drop_zero_variance and flat[group]:
            sample.masked = "zero_variance"
        elif parts.forbidden(sample.text):
            sample.masked = "held_out_state"
    return float(flat.float().mean())


def _grade(parts: Parts[L], samples: Sequence[Sample], limit: int) -> None:
    """Fill in the scores. `limit`: the new tokens that were allowed."""
    with phases("reward"):
        scores = parts.score(
            [s.task for s in samples],
            [s.text for s in samples],
            [s.finished for s in samples],
            [len(s.tokens) for s in samples],
            limit,
        )
    for sample, score in zip(samples, scores, strict=True):
        sample.score = score


def _compare(rollout: list[Sample], settings: RL) -> tuple[Tensor, Tensor]:
    """Advantages [P, G], and which groups have no variance [P]."""
    if settings.reward.combine == "sum":
        rewards_PG = torch.tensor([s.earned.reward for s in rollout]).view(-1, settings.group_size)
        return advantages(rewards_PG, scale=settings.objective.adv_scale), zero_variance(rewards_PG)
    parts = [s.earned.parts() for s in rollout]
    names = list(parts[0])
    parts_KPG = torch.tensor([[p[name] for p in parts] for name in names]).view(len(names), -1, settings.group_size)
    return normalised_sum(parts_KPG, torch.tensor([getattr(settings.reward, name) for name in names]))


def _split(rollout: list[Sample], updates: int, *, seed: int) -> list[list[Sample]]:
    if updates == 1:
        return [rollout]
    order = list(rollout)
    random.Random(seed).shuffle(order)
    size = -(-len(order) // updates)
    return [order[i : i + size] for i in range(0, len(order), size)]


def _remember(policy: Policy[L], rollout: list[Sample], settings: RL) -> None:
    """Log-probabilities under the policy that made the rollout, as the trainer computes them."""

    def logps_of(rows: list[Sample]) -> list[list[float]]:
        logps, _, _ = policy.logps([s.prompt for s in rows], [s.tokens for s in rows], temperature=settings.temperature)
        found: list[list[float]] = logps.tolist()
        return found

    batches = _micro_batches(policy, rollout, settings.micro_tokens)
    with phases("train"):
        measured = policy.measure(batches, logps_of)
    # Not within `logps_of`: it may have run in another process.
    for rows, found in zip(batches, measured, strict=True):
        for sample, values in zip(rows, found, strict=True):
            sample.old_logps = values[: len(sample.tokens)]


def _micro_batches(policy: Policy[L], samples: Sequence[Sample], budget: int) -> list[list[Sample]]:
    """Samples of like length together, at most `budget` positions in a batch."""
    lengths = [len(s.prompt) + len(s.tokens) for s in samples]
    return [[samples[i] for i in rows] for rows in policy.micro_batches(lengths, budget)]


def _update(
    policy: Policy[L],
    reference: Policy[L] | None,
    samples: list[Sample],
    settings: RL,
    step: int,
    optimisation: Optimisation[L],
    *,
    off_policy: bool,
) -> dict[str, float]:
    """One policy update over the samples that count; the objective's figures."""
    used = [s for s in samples if s.masked is None]
    normaliser = Normaliser(sequences=len(used), tokens=sum(len(s.tokens) for s in used))
    totals: dict[str, float] = {}
    for figures in policy.accumulate(
        _micro_batches(policy, used, settings.micro_tokens),
        lambda rows: _loss(policy, reference, rows, settings, normaliser, off_policy=off_policy),
    ):
        for name, value in figures.items():
            totals[name] = totals.get(name, 0.0) + value
    rate = _rate(settings, step)
    norm = optimisation.update(rate) if used else 0.0
    if not math.isfinite(norm):
        raise UserError(f"step {step + 1}: the gradient is not finite", hint="lower lr, or look at the last rollouts")
    tokens = max(1, normaliser.tokens)
    means = {name: value / tokens for name, value in totals.items()}
    return {"grad_norm": norm, "lr": rate, "kl": 0.0, "entropy": 0.0, **means}


def _loss(
    policy: Policy[L],
    reference: Policy[L] | None,
    rows: list[Sample],
    settings: RL,
    normaliser: Normaliser,
    *,
    off_policy: bool,
) -> tuple[Tensor, dict[str, float]]:
    prompts, completions = [s.prompt for s in rows], [s.tokens for s in rows]
    logp, entropy, mask = policy.logps(prompts, completions, temperature=settings.temperature)
    engine = _padded([s.engine_logps for s in rows])
    # With one update a rollout the policy that made it is the one that is being trained.
    old = _padded([s.old_logps for s in rows]) if off_policy else logp.detach()
    reference_logp = None
    if reference is not None:
        with torch.no_grad():
            reference_logp, _, _ = reference.logps(prompts, completions, temperature=settings.temperature)
    loss, figures = grpo_loss(
        logp,
        old_logp_BT=old,
        advantage_B=torch.tensor([s.advantage for s in rows]),
        mask_BT=mask,
        options=settings.objective,
        normaliser=normaliser,
        reference_logp_BT=reference_logp,
        engine_logp_BT=engine,
    )
    sums = {name: float(value) for name, value in figures.items()}
    sums["entropy"] = float((entropy * mask).sum())
    sums["mismatch"] = float(((old - engine).abs() * mask).sum())
    return loss, sums


def _padded(rows: Sequence[Sequence[float]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*r, *[0.0] * (longest - len(r))] for r in rows])


def _rate(settings: RL, step: int) -> float:
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - 1 - settings.warmup_steps)
    return settings.lr * (1.0 - (1.0 - settings.lr_end) * min(1.0, done))


def _figures(parts: Parts[L], samples: Sequence[Sample]) -> dict[str, float]:
    """Means over a step's samples, masked ones included."""
    count = len(samples)
    ruled = [s for s in samples if s.task.kind == "reasoning"]
    judged = [s.earned.preference for s in samples if s.earned.preference is not None]
    figures = {
        "reward": sum(s.earned.reward for s in samples) / count,
        "accuracy": sum(s.earned.accuracy for s in ruled) / max(1, len(ruled)),
        "format": sum(s.earned.format for s in samples) / count,
        "language": sum(s.earned.language for s in samples) / count,
        "length": sum(len(s.tokens) for s in samples) / count,
        "truncated": sum(not s.finished for s in samples) / count,
        "unknown": sum(s.earned.verdict == "unknown" for s in ruled) / max(1, len(ruled)),
        "reflective": sum(parts.reflective(s.text) for s in ruled) / max(1, len(ruled)),
    }
    if judged:
        figures["preference"] = sum(judged) / len(judged)
    return figures


def _why(samples: Sequence[Sample]) -> dict[str, int]:
    """How many completions earned what they did for which reason, each counted once; how many groups had no variance.

    `bad_format` takes what lost nothing but its form: right (or not graded by rules), but outside the template.
    """
    full = ("correct", "not_rule_graded")
    reasons = Counter(
        "bad_format" if s.earned.reason in full and not s.earned.format else s.earned.reason for s in samples
    )
    reasons["zero_variance_groups"] = len({s.task.id for s in samples if s.masked == "zero_variance"})
    return dict(sorted(reasons.items()))


def _validate(
    parts: Parts[L], settings: RL, step: int, seed: int, origin: Policy[L], curve: list[dict[str, float]]
) -> None:
    """Append a row to the validation curve: the caller's figures, and the KL divergence from where training began."""
    if parts.validate is None:
        return
    drawn: list[Sample] = []

    def draw(tasks: Sequence[Task]) -> list[Sample]:
        limit = limit_at(settings, step)
        samples = _draw(parts, settings, tasks, 1, limit, seed * 31 + 17)
        _grade(parts, samples, limit)
        drawn.extend(samples)
        return samples

    figures = parts.validate(draw)
    curve.append({"step": step, **figures, "kl": _divergence(parts.policy, origin, drawn, settings)})


def _divergence(policy: Policy[L], origin: Policy[L], samples: Sequence[Sample], settings: RL) -> float:
    """Mean k3 estimate a token of KL(policy, origin) over the policy's own samples, in nats."""

    def summed(rows: list[Sample]) -> tuple[float, int]:
        prompts, completions = [s.prompt for s in rows], [s.tokens for s in rows]
        logp, _, mask = policy.logps(prompts, completions, temperature=settings.temperature)
        then, _, _ = origin.logps(prompts, completions, temperature=settings.temperature)
        gap = then - logp
        return float(((gap.exp() - gap - 1) * mask).sum()), int(mask.sum())

    with phases("train"):
        found = policy.measure(_micro_batches(policy, samples, settings.micro_tokens), summed)
    return sum(total for total, _ in found) / max(1, sum(tokens for _, tokens in found))
