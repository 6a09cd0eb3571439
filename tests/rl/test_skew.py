"""The skew gate: a true engine passes, and each planted fault stops the run under its own name."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from stages.contract.engine import Completion, Engine
from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.params import RL, Skew
from stages.model.decoder import Decoder
from stages.model.policy import DecoderPolicy
from stages.rl.loop import Parts, train
from stages.rl.skew import HINTS, Gate, Scored, gap
from stages.rollout.embedded import EmbeddedEngine
from tests import tiny_model
from tests.rl.test_loop import SETTINGS
from tests.stages.test_progress import _score, _task

STRICT = Skew(every=2, samples=8, max_gap=1e-4)
RUN = replace(SETTINGS, steps=4, lr=2e-2, temperature=0.6)
Generate = Callable[..., list[list[Completion]]]


class Copying:
    """The embedded engine over a copy of the policy's weights, as vLLM has one. `sync` says which renewals reach it."""

    copies_weights = True

    def __init__(self, policy: DecoderPolicy, *, sync: Callable[[int], bool] = lambda number: True) -> None:
        codec = tiny_model.codec()
        self.policy = policy
        self.sync = sync
        self.renewed = self.generated = 0
        self.twin = Decoder(policy.decoder.config)
        self.twin.load_state_dict(policy.decoder.state_dict())
        self.inner: Engine = EmbeddedEngine(self.twin, end_id=codec.end_id, pad_id=codec.pad_id, batch=64)

    def renew(self) -> None:
        if self.sync(self.renewed):
            self.twin.load_state_dict(self.policy.decoder.state_dict())
        self.renewed += 1

    def generate(self, prompts: Sequence[Sequence[int]], **options: Any) -> list[list[Completion]]:
        self.generated += 1
        return self.inner.generate(prompts, **options)


def _run(
    make: Callable[[DecoderPolicy], Engine], *, skew: Skew | None = STRICT, settings: RL = RUN
) -> tuple[object, list[list[float]]]:
    codec, policy = tiny_model.codec(), DecoderPolicy(tiny_model.decoder(scale=5.0), pad_id=0)
    parts = Parts(
        policy=policy,
        engine=make(policy),
        codec=codec,
        score=_score,
        pick=lambda step: [_task(step % 3), _task(7)],
        forbidden=lambda text: False,
        reflective=len,
        validate=None,
        keep=lambda step, samples: None,
        gate=Gate(skew, templates=codec.other_templates()) if skew else None,
    )
    optimisation = policy.optimisation(settings)
    curves = train(parts, settings, seed=1, optimisation=optimisation, report=Silent())
    return curves, [p.flatten().tolist() for p in policy.parameters()]


def _embedded(policy: DecoderPolicy) -> Engine:
    codec = tiny_model.codec()
    return EmbeddedEngine(policy.decoder, end_id=codec.end_id, pad_id=codec.pad_id, batch=64)


def _caught(make: Callable[[DecoderPolicy], Engine], **more: Any) -> UserError:
    with pytest.raises(UserError, match="off the trainer's") as caught:
        _run(make, **more)
    return caught.value


def test_a_true_engine_passes_and_no_bit_changes() -> None:
    without = _run(_embedded, skew=None)
    assert _run(_embedded) == without
    assert _run(Copying) == without


def test_the_comparisons_come_before_the_first_step_after_the_first_update_and_every_so_many_steps() -> None:
    gate = Gate(Skew(every=3, samples=4, max_gap=1.0), templates={})
    due = []
    for step in range(10):
        if gate.due(step):
            due.append(step)
            gate._compared.append(step)
    assert due == [0, 1, 4, 7]


def test_an_engine_with_a_copy_is_also_compared_after_an_update_that_changed_nothing() -> None:
    made: list[Copying] = []

    def make(policy: DecoderPolicy) -> Engine:
        made.append(Copying(policy))
        return made[0]

    _run(make)
    assert made[0].generated == RUN.steps + 1


def test_an_update_that_breaks_the_engine_is_caught_before_the_first_step() -> None:
    """The weights arrive, but damaged: what tied or packed layers suffer in real engines."""

    class Damaging(Copying):
        def renew(self) -> None:
            super().renew()
            if self.renewed > 1:
                with torch.no_grad():
                    self.twin.model.norm.weight.mul_(1.3)

    error = _caught(Damaging)
    assert error.message.startswith("before the first step, after an update that changed nothing")


def test_another_template_is_named() -> None:
    other = tiny_model.codec().other_templates()["r1_zero"]

    class Retemplating(Copying):
        def generate(self, prompts: Sequence[Sequence[int]], **options: Any) -> list[list[Completion]]:
            codec = tiny_model.codec()
            questions = [codec.text(p).removeprefix("<|user|>").removesuffix("<|assistant|>") for p in prompts]
            return self.inner.generate([other(q) for q in questions], **options)

    positions = 1024  # the template of the paper is long

    def run(policy: DecoderPolicy) -> Engine:
        policy.decoder = tiny_model.decoder(scale=5.0, positions=positions)
        return Retemplating(policy)

    error = _caught(run)
    assert "likely cause: template (r1_zero leaves" in error.message and error.hint == HINTS["template"]


@pytest.mark.parametrize("other", [1.0, 0.85, 0.3])
def test_another_temperature_is_named(other: float) -> None:
    """Of 1 above all: engines report log-probabilities before temperature unless told otherwise."""

    class Elsewhere(Copying):
        def generate(self, prompts: Sequence[Sequence[int]], **options: Any) -> list[list[Completion]]:
            return self.inner.generate(prompts, **{**options, "temperature": other})

    error = _caught(Elsewhere)
    assert f"likely cause: temperature ({other:.3g} instead of 0.6" in error.message
    assert error.hint == HINTS["temperature"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_another_dtype_is_named(dtype: torch.dtype) -> None:
    class Rounding(Copying):
        def generate(self, prompts: Sequence[Sequence[int]], **options: Any) -> list[list[Completion]]:
            rounded = self.policy.in_dtype(dtype)

            def scored(prompt: Sequence[int], one: Completion) -> Completion:
                logps, _, _ = rounded.logps([prompt], [one.tokens], temperature=options["temperature"])
                return replace(one, logps=logps[0].tolist())

            groups = self.inner.generate(prompts, **options)
            return [[scored(p, one) for one in group] for p, group in zip(prompts, groups, strict=True)]

    error = _caught(Rounding)
    assert f"likely cause: dtype ({str(dtype).removeprefix('torch.')}" in error.message


def test_weights_that_are_never_renewed_are_named_stale() -> None:
    error = _caught(lambda policy: Copying(policy, sync=lambda number: False))
    assert error.message.startswith("step 2: ") and error.hint == HINTS["stale weights"]
    assert "likely cause: stale weights (those that training began with" in error.message


def test_weights_one_update_behind_are_named_stale() -> None:
    """The fourth rollout misses its renewal: what training began with doesn't explain it, handing over anew does."""
    error = _caught(
        lambda policy: Copying(policy, sync=lambda number: number != 4)
    )  # 1 is the update that changes nothing
    assert error.message.startswith("step 4: ")
    assert "likely cause: stale weights (handing them over again" in error.message


def test_weights_of_another_checkpoint_are_named_stale() -> None:
    def make(policy: DecoderPolicy) -> Engine:
        engine = Copying(policy, sync=lambda number: number > 0)
        engine.twin.load_state_dict(tiny_model.decoder(scale=5.0, seed=6).state_dict())
        return engine

    error = _caught(make)
    assert error.message.startswith("before the first step: ")
    assert "likely cause: stale weights (handing them over again" in error.message


def test_what_nothing_explains_is_said_so() -> None:
    class Wrong(Copying):
        def generate(self, prompts: Sequence[Sequence[int]], **options: Any) -> list[list[Completion]]:
            groups = self.inner.generate(prompts, **options)
            noise = torch.Generator().manual_seed(self.generated)
            return [
                [replace(c, logps=(torch.randn(len(c.tokens), generator=noise).mul(9) - 9).tolist()) for c in group]
                for group in groups
            ]

    error = _caught(Wrong)
    assert "no known cause" in error.message and error.hint == HINTS[""]


def test_a_gap_that_is_no_number_stops_the_run() -> None:
    class Broken(Copying):
        def generate(self, prompts: Sequence[Sequence[int]], **options: Any) -> list[list[Completion]]:
            groups = self.inner.generate(prompts, **options)
            return [[replace(c, logps=[float("nan")] * len(c.tokens)) for c in group] for group in groups]

    _caught(Broken)


def test_the_gap_is_the_mean_over_tokens() -> None:
    class Fixed:
        def logps(self, prompts: Any, completions: Any, *, temperature: float) -> Any:
            return torch.tensor([[-1.0 / temperature] * len(completions[0])]), None, None

    scored = [
        Scored(question="", prompt=[1], tokens=[1, 2, 3], logps=[-1.5, -1.0, -1.0]),
        Scored(question="", prompt=[1], tokens=[], logps=[]),
        Scored(question="", prompt=[1], tokens=[1], logps=[-3.0]),
    ]
    assert gap(Fixed(), scored, temperature=1.0) == pytest.approx(2.5 / 4)
    assert gap(Fixed(), scored[:1], temperature=0.5) == pytest.approx((0.5 + 1 + 1) / 3)
