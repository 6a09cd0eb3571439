"""The GRPO loop: sample groups of completions, score them, compare within the group, update.

One *step* is one policy update. A rollout feeds `steps_per_rollout` steps, its completions split among
them at random (the paper: 8,192 outputs into 16 minibatches), so all but the first are off-policy.

Shapes: P prompts, G completions a prompt (the group), B rows of a micro-batch, T positions.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, cast

import torch
from torch import Tensor

from stages.contract.course import UNKEPT, Course, Progress
from stages.contract.engine import Codec, Completion, Engine
from stages.contract.events import Reporter
from stages.contract.params import RL
from stages.contract.phases import phases
from stages.contract.task import Scorer, Task
from stages.rl.objective import advantages, normalised_sum, zero_variance
from stages.rl.samples import Sample, figures_of, why
from stages.rl.skew import Gate, Scored
from stages.rl.update import L, Optimisation, Policy, divergence, remember, update


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
    gate: Gate | None = None  # stops the run where the engine is not the policy


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
    # Not saved: it is what training began with. Validation and the gate ask for it.
    origin = parts.policy.frozen_copy() if parts.validate or parts.gate else parts.policy
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
            _guard(parts, origin, rollout, settings, step, seed)
            groups = _score(parts, settings, step, rollout)
            off_policy = updates > 1
            if off_policy:
                remember(parts.policy, rollout, settings)
            waiting = _split(rollout, updates, seed=seed * 7919 + step)
        part = waiting.pop(0)
        if reference is not None and step and step % settings.reference_every == 0:
            reference = parts.policy.frozen_copy()
            live["reference"] = reference.weights()
        with phases("train"):
            row = update(parts.policy, reference, part, settings, step, optimisation, off_policy=off_policy)
        row |= figures_of(part, parts.reflective) | {"zero_variance": groups}
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
        report.step(step + 1, {**row, **held_out, "tokens": sampled}, why=why(part))
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

    with phases("weights"):
        parts.engine.renew()
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


def _guard(parts: Parts[L], origin: Policy[L], rollout: Sequence[Sample], settings: RL, step: int, seed: int) -> None:
    """Stop where the engine's log-probabilities are not the policy's (stages/rl/skew.py)."""
    if parts.gate is None or not parts.gate.due(step):
        return
    some = rollout[:: max(1, len(rollout) // parts.gate.settings.samples)]
    quiet = replace(parts, begin=None)

    def again() -> list[Scored]:
        tasks = [sample.task for sample in some]
        return _scored(_draw(quiet, settings, tasks, 1, limit_at(settings, step), seed * 1_000_003 + step))

    with phases("train"):
        parts.gate.pass_through(
            parts.policy,
            origin,
            _scored(some),
            again if parts.engine.copies_weights else None,
            temperature=settings.temperature,
            step=step,
        )


def _scored(samples: Sequence[Sample]) -> list[Scored]:
    return [Scored(question=s.task.prompt, prompt=s.prompt, tokens=s.tokens, logps=s.engine_logps) for s in samples]


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
    curve.append({"step": step, **figures, "kl": divergence(parts.policy, origin, drawn, settings)})
