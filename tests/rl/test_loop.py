"""The loop around the objective: who is compared with whom, who gives a gradient, and in which order things happen.

The engine is scripted: an answer's reward is written in its first token, so that every group is known beforehand.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.params import RL, Objective, Reward, Stretch
from stages.contract.task import Score, Scorer, Task
from stages.model.policy import DecoderPolicy
from stages.rl.loop import Parts, limit_at, train
from stages.rl.objective import MODERN
from stages.rl.samples import Sample
from stages.rollout.embedded import EmbeddedEngine
from stages.rollout.scripted import Script, ScriptedEngine
from tests import tiny_model

END = 9
PLAIN = replace(MODERN, tis="none")
SETTINGS = RL(
    steps=1,
    prompts_per_step=2,
    group_size=4,
    steps_per_rollout=1,
    lengths=[Stretch(from_step=0, max_new_tokens=8)],
    temperature=1.0,
    top_p=1.0,
    lr=1e-3,
    lr_end=1.0,
    warmup_steps=0,
    betas=[0.9, 0.99],
    weight_decay=0.0,
    max_grad_norm=1.0,
    reference_every=100,
    drop_zero_variance=True,
    micro_tokens=60,
    validate_every=100,
    validate_problems=0,
    keep_rollouts=1,
    objective=PLAIN,
    reward=Reward(accuracy=1.0, format=0.0, language=0.0, preference=0.0, overlong=0.0, combine="sum"),
)


class _Codec:
    """A question is a number, its prompt that token between two others; a text is its tokens in decimal."""

    def prompt(self, question: str) -> list[int]:
        return [5, int(question), 6]

    def text(self, tokens: Sequence[int]) -> str:
        return " ".join(str(t) for t in tokens if t != END)


def _task(number: int) -> Task:
    return Task(
        id=f"task-{number}",
        kind="reasoning",
        family="logic",
        difficulty=2,
        language="en",
        prompt=str(number),
        answer="",
    )


def _score(
    tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool], lengths: Sequence[int], limit: int
) -> list[Score]:
    """Tokens 20 to 29 earn 0.0 to 0.9, token 19 is an answer right but out of form, no text no answer."""
    scores = []
    for text, done in zip(texts, finished, strict=True):
        first = int(text.split()[0]) if text else 0
        reward = max(0, first - 20) / 10
        reason = (
            "truncated"
            if not done
            else "no_answer"
            if not text
            else "correct"
            if reward >= 0.5 or first == 19
            else "wrong"
        )
        scores.append(
            Score(
                verdict="correct" if reason == "correct" else "wrong",
                reason=reason,
                accuracy=float(reason == "correct"),
                format=float(done and first >= 20),
                language=1.0,
                preference=None,
                overlong=0.0,
                reward=reward,
            )  # fmt: skip
        )
    return scores


@dataclass
class _Watch(Silent):
    """Remembers what was reported and kept."""

    kept: list[tuple[int, list[Sample]]] = field(default_factory=list)
    whys: list[dict[str, int]] = field(default_factory=list)

    def step(self, done: int, figures: object = None, *, why: object = None) -> None:
        assert isinstance(why, dict)
        self.whys.append(why)

    @property
    def samples(self) -> list[Sample]:
        return [s for _, samples in self.kept for s in samples]


@dataclass
class _Run:
    curve: list[dict[str, float]]
    validation: list[dict[str, float]]
    watch: _Watch
    policy: DecoderPolicy
    moved: bool

    @property
    def weights(self) -> list[list[float]]:
        return [p.flatten().tolist() for p in self.policy.parameters()]


def _run(
    script: Script,
    settings: RL = SETTINGS,
    *,
    forbidden: Callable[[str], bool] = lambda text: False,
    policy: DecoderPolicy | None = None,
    pick: Callable[[int], list[Task]] | None = None,
    validate: Callable[[Callable[[Sequence[Task]], list[Sample]]], dict[str, float]] | None = None,
    engine: type[ScriptedEngine] = ScriptedEngine,
    score: Scorer = _score,
    begin: Callable[[Task, str, bool], None] | None = None,
) -> _Run:
    policy = policy or DecoderPolicy(tiny_model.decoder(), pad_id=0)
    before = [p.detach().clone() for p in policy.parameters()]
    watch = _Watch()
    per_step = settings.prompts_per_step
    parts = Parts(
        policy=policy,
        engine=engine(script, end_id=END),
        codec=_Codec(),
        score=score,
        pick=pick or (lambda step: [_task(10 + step * per_step + i) for i in range(per_step)]),
        forbidden=forbidden,
        reflective=lambda text: 0,
        validate=validate,
        keep=lambda step, samples: watch.kept.append((step, list(samples))),
        begin=begin,
    )
    optimisation = policy.optimisation(settings)
    curve, validation = train(parts, settings, seed=1, optimisation=optimisation, report=watch)
    moved = any(not torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))
    return _Run(curve=curve, validation=validation, watch=watch, policy=policy, moved=moved)


def _ladder(prompt: Sequence[int], draw: int) -> list[int]:
    """Every group the same ladder of rewards, one prompt's rungs half a point above the other's."""
    return [20 + draw + 5 * (prompt[1] % 2), 30 + draw, END]


def _flat(prompt: Sequence[int], draw: int) -> list[int]:
    """No variance within a group, much between the prompts."""
    return [20 + 5 * (prompt[1] % 2), 30 + draw, END]


def test_answers_are_compared_within_their_prompt() -> None:
    run = _run(_ladder)
    by_task: dict[str, list[float]] = {}
    for sample in run.watch.samples:
        by_task.setdefault(sample.task.id, []).append(sample.advantage)
    expected = pytest.approx([-0.15, -0.05, 0.05, 0.15], abs=1e-6)
    assert list(by_task.values()) == [expected, expected]
    assert run.moved and run.curve[0]["grad_norm"] > 0 and run.curve[0]["zero_variance"] == 0.0


def test_a_better_answer_becomes_likelier() -> None:
    policy = DecoderPolicy(tiny_model.decoder(scale=3.0), pad_id=0)
    best, worst = _ladder([5, 10, 6], 3), _ladder([5, 10, 6], 0)

    def chances() -> Tensor:
        logps, _, mask = policy.logps([[5, 10, 6]] * 2, [best, worst], temperature=1.0)
        return (logps * mask).sum(1).detach()

    before = chances()
    _run(_ladder, replace(SETTINGS, steps=5), policy=policy, pick=lambda step: [_task(10), _task(11)])
    gain = chances() - before
    assert gain[0] > 0.1 > -0.1 > gain[1]


def test_groups_without_variance_are_dropped_and_counted() -> None:
    run = _run(_flat)
    assert not run.moved and run.curve[0]["zero_variance"] == 1.0 and run.curve[0]["grad_norm"] == 0.0
    assert {s.masked for s in run.watch.samples} == {"zero_variance"} and {s.advantage for s in run.watch.samples} == {
        0.0
    }
    assert run.watch.whys[0]["zero_variance_groups"] == 2


def test_a_dropped_group_counts_in_no_denominator() -> None:
    """The update over one good and one flat group equals the update over the good group alone."""

    def half(prompt: Sequence[int], draw: int) -> list[int]:
        return _ladder(prompt, draw) if prompt[1] == 10 else _flat(prompt, draw)

    both = _run(half)
    alone = _run(half, replace(SETTINGS, prompts_per_step=1))
    assert both.curve[0]["zero_variance"] == 0.5 and both.watch.whys[0]["zero_variance_groups"] == 1
    assert both.curve[0]["grad_norm"] == pytest.approx(alone.curve[0]["grad_norm"], rel=1e-5)


def test_held_out_rows_give_no_gradient_but_keep_their_place_in_the_group() -> None:
    shown = "33"  # the text of draw 3
    run = _run(_ladder, forbidden=lambda text: shown in text.split())
    masked = [s for s in run.watch.samples if s.masked]
    assert len(masked) == 2 and all(s.masked == "held_out_state" and shown in s.text for s in masked)
    assert all(s.advantage == pytest.approx(0.15) for s in masked)  # the others were still compared with it
    assert run.moved
    everything = _run(_ladder, forbidden=lambda text: True)
    assert not everything.moved and everything.curve[0]["grad_norm"] == 0.0


def test_without_dropping_flat_groups_stay_in_the_denominator() -> None:
    def half(prompt: Sequence[int], draw: int) -> list[int]:
        return _ladder(prompt, draw) if prompt[1] == 10 else _flat(prompt, draw)

    dropped, stayed = _run(half), _run(half, replace(SETTINGS, drop_zero_variance=False))
    assert stayed.curve[0]["grad_norm"] == pytest.approx(dropped.curve[0]["grad_norm"] / 2, rel=1e-4)


def test_micro_batches_add_up_to_the_whole() -> None:
    whole, cut = _run(_ladder, replace(SETTINGS, micro_tokens=10_000)), _run(_ladder, replace(SETTINGS, micro_tokens=1))
    assert whole.curve[0]["grad_norm"] == pytest.approx(cut.curve[0]["grad_norm"], rel=1e-4)
    assert whole.curve[0]["entropy"] == pytest.approx(cut.curve[0]["entropy"], rel=1e-4)


def test_a_rollout_is_split_into_its_updates_and_every_sample_is_used_once() -> None:
    run = _run(_ladder, replace(SETTINGS, steps=4, steps_per_rollout=4, prompts_per_step=3))
    assert [step for step, _ in run.watch.kept] == [1, 2, 3, 4] == [row["step"] for row in run.curve]
    assert [len(samples) for _, samples in run.watch.kept] == [12] * 4
    places = [(s.task.id, s.draw) for s in run.watch.samples]
    assert sorted(places) == sorted((f"task-{10 + i}", d) for i in range(12) for d in range(4))
    assert places != sorted(places)  # split at random
    assert all(len(s.old_logps) == len(s.tokens) for s in run.watch.samples)


def test_later_updates_compare_with_the_policy_that_sampled() -> None:
    """Of the rollout's updates the first has ratio 1 everywhere; a later one has moved away from it."""
    settings = replace(SETTINGS, steps=4, steps_per_rollout=2, lr=1e-2)
    run = _run(_ladder, settings)
    ratios = [row["ratio"] for row in run.curve]
    assert ratios[0] == pytest.approx(1.0, abs=1e-5) and ratios[2] == pytest.approx(1.0, abs=1e-5)
    assert abs(ratios[1] - 1) > 1e-3 and abs(ratios[3] - 1) > 1e-3


def test_a_last_rollout_may_be_shorter() -> None:
    run = _run(_ladder, replace(SETTINGS, steps=3, steps_per_rollout=2))
    assert [len(samples) for _, samples in run.watch.kept] == [8, 8, 8]
    assert len({(s.task.id, s.draw) for s in run.watch.samples}) == 24


def test_the_reference_is_refreshed_every_n_steps() -> None:
    objective = replace(PLAIN, kl="k3", kl_beta=1e-3)
    settings = replace(SETTINGS, steps=7, lr=1e-2, objective=objective, reference_every=3)
    kl = [row["kl"] for row in _run(_ladder, settings).curve]
    same = [abs(value) < 1e-6 for value in kl]
    assert same == [True, False, False, True, False, False, True]
    never = [row["kl"] for row in _run(_ladder, replace(settings, reference_every=100)).curve]
    assert [abs(value) < 1e-6 for value in never] == [True] + [False] * 6


def test_the_length_limit_follows_its_schedule() -> None:
    lengths = [Stretch(from_step=0, max_new_tokens=2), Stretch(from_step=2, max_new_tokens=3)]
    settings = replace(SETTINGS, steps=4, lengths=lengths)
    assert [limit_at(settings, step) for step in (0, 1, 2, 3, 100)] == [2, 2, 3, 3, 3]
    run = _run(_ladder, settings)
    assert [{len(s.tokens) for s in samples} for _, samples in run.watch.kept] == [{2}, {2}, {3}, {3}]
    assert [row["truncated"] for row in run.curve] == [1.0, 1.0, 0.0, 0.0]


def test_the_reasons_add_up() -> None:
    answers = {0: [25, END], 1: [21, END], 2: [19, END], 3: [END], 4: [28] * 9, 5: [26, END]}
    run = _run(lambda prompt, draw: answers[draw], replace(SETTINGS, group_size=6))
    why = run.watch.whys[0]
    assert why == {
        "bad_format": 2, "correct": 4, "no_answer": 2, "truncated": 2, "wrong": 2, "zero_variance_groups": 0
    }  # fmt: skip
    assert sum(count for reason, count in why.items() if reason != "zero_variance_groups") == 12


def test_rates_warm_up_and_fall_to_their_end() -> None:
    run = _run(_ladder, replace(SETTINGS, steps=5, warmup_steps=2, lr=1e-3, lr_end=0.5))
    assert [row["lr"] for row in run.curve] == pytest.approx([5e-4, 1e-3, 1e-3, 7.5e-4, 5e-4])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_stops_the_run_before_the_weights_change(bad: float) -> None:
    policy = DecoderPolicy(tiny_model.decoder(), pad_id=0)
    before = [p.detach().clone() for p in policy.parameters()]
    weight = policy.decoder.model.norm.weight
    weight.register_hook(lambda gradient: gradient * bad)  # type: ignore[no-untyped-call]
    with pytest.raises(UserError, match="step 1: the gradient is not finite") as caught:
        _run(_ladder, policy=policy)
    assert "lr" in caught.value.hint
    assert all(torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))


def test_validation_happens_first_then_every_n_steps_and_at_the_end() -> None:
    asked: list[int] = []

    def validate(draw: Callable[[Sequence[Task]], list[Sample]]) -> dict[str, float]:
        samples = draw([_task(50), _task(51), _task(52)])
        asked.append(len(samples))
        return {"accuracy": sum(s.earned.accuracy for s in samples) / len(samples)}

    run = _run(_ladder, replace(SETTINGS, steps=5, validate_every=2, lr=1e-2), validate=validate)
    assert [row["step"] for row in run.validation] == [0, 2, 4, 5] and asked == [3] * 4
    assert run.validation[0]["accuracy"] == pytest.approx(1 / 3)  # 20, 25, 20: only the odd prompt's earns half a point
    assert run.validation[0]["kl"] == pytest.approx(0.0, abs=1e-6) and run.validation[-1]["kl"] > 1e-6
    assert not {"task-50", "task-51", "task-52"} & {s.task.id for s in run.watch.samples}


def test_what_is_kept_is_every_nth_step_and_the_last() -> None:
    run = _run(_ladder, replace(SETTINGS, steps=6, keep_rollouts=2))
    assert [step for step, _ in run.watch.kept] == [1, 3, 5, 6]


def _collect(texts: list[str]) -> Callable[[int, Sequence[Sample]], None]:
    return lambda step, samples: texts.extend(s.text for s in samples)


PAPER_LIKE: Objective = replace(PLAIN, adv_scale="group_std", agg="seq_mean", kl="k3", kl_beta=1e-2)


@pytest.mark.parametrize("steps_per_rollout", [1, 2])
def test_the_same_seed_gives_the_same_run_to_the_bit(steps_per_rollout: int) -> None:
    """With the embedded engine, whose samples depend on the weights it shares with the policy."""
    runs = []
    for seed in (1, 1, 2):
        codec, policy = tiny_model.codec(), DecoderPolicy(tiny_model.decoder(scale=4.0), pad_id=0)
        settings = replace(SETTINGS, steps=4, steps_per_rollout=steps_per_rollout, lr=5e-3, objective=PAPER_LIKE)
        texts: list[str] = []
        parts = Parts(
            policy=policy,
            engine=EmbeddedEngine(policy.decoder, end_id=codec.end_id, pad_id=codec.pad_id, batch=8),
            codec=codec,
            score=lambda tasks, texts, finished, lengths, limit: [
                Score(
                    verdict="wrong",
                    reason="wrong",
                    accuracy=0.0,
                    format=0.0,
                    language=1.0,
                    preference=None,
                    overlong=0.0,
                    reward=len(text) / 10,
                )
                for text in texts
            ],  # fmt: skip
            pick=lambda step: [_task(step), _task(step + 1)],
            forbidden=lambda text: False,
            reflective=lambda text: 0,
            validate=None,
            keep=_collect(texts),
        )
        optimisation = policy.optimisation(settings)
        curve, _ = train(parts, settings, seed=seed, optimisation=optimisation, report=Silent())
        runs.append((curve, texts, [p.flatten().tolist() for p in policy.parameters()]))
    assert runs[0] == runs[1]
    assert runs[0][1] != runs[2][1]


def test_grading_begins_while_others_are_sampled() -> None:
    """The engine holds its last completion back until the first has been graded: without overlap that is never."""
    graded: dict[str, float] = {}
    first = threading.Event()
    sampled: list[float] = []

    class Holding(ScriptedEngine):
        def generate(self, *arguments: Any, on_finished: Any = None, **named: Any) -> Any:
            groups = super().generate(*arguments, **named)
            assert on_finished is not None
            told = [(place, draw, c) for place, group in enumerate(groups) for draw, c in enumerate(group)]
            for place, draw, completion in told[:-1]:
                on_finished(place, draw, completion)
            assert first.wait(60), "nothing was graded while sampling went on"
            sampled.append(time.monotonic())
            on_finished(*told[-1])
            return groups

    with ThreadPoolExecutor(1) as grader:
        begun: list[Future[None]] = []

        def grade_one(text: str) -> None:
            graded[text] = time.monotonic()
            first.set()

        def score(tasks: Any, texts: Sequence[str], *rest: Any) -> list[Score]:
            for one in begun:
                one.result()
            assert set(texts) == set(graded)
            return _score(tasks, texts, *rest)

        run = _run(
            lambda prompt, draw: [20 + (prompt[1] + draw) % 8, END],
            engine=Holding,
            score=score,
            begin=lambda task, text, finished: begun.append(grader.submit(grade_one, text)),
        )
    assert min(graded.values()) < sampled[0]
    plain = _run(lambda prompt, draw: [20 + (prompt[1] + draw) % 8, END])
    assert run.curve == plain.curve and run.weights == plain.weights
