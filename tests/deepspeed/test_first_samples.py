"""The engine that only the first process has: every process brings it weights, also before the first answers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.model.shards import Spec

pytest.importorskip("deepspeed")
from stages.assembly.sharded import FirstSamples  # noqa: E402  (it imports deepspeed)

pytestmark = pytest.mark.deepspeed


class Together:
    """A policy whose weights are put together by all, and the processes, of which this is one."""

    def __init__(self, *, leads: bool) -> None:
        self.leads = leads
        self.model = self.processes = self
        self.put_together = 0

    def whole(self) -> "Together":
        return self

    def specs(self) -> list[Spec]:
        return [Spec(name="w", shape=(1,), dtype=torch.float32)]

    def tensors(self) -> Iterator[Tensor]:
        self.put_together += 1
        yield torch.ones(1)

    def first(self, value: object) -> object:
        return value if self.leads else "what the first has"


class Engine:
    def __init__(self, weights: Callable[[], Iterator[tuple[str, Tensor]]]) -> None:
        self.weights, self.calls = weights, list[str]()

    def renew(self) -> None:
        self.calls.append(", ".join(name for name, _ in self.weights()))

    def generate(self, prompts: Any, **settings: Any) -> Any:
        self.calls.append(f"{len(prompts)} prompts, seed {settings['seed']}")
        return [["answered"]]


def test_all_bring_weights_before_the_first_answers_and_when_they_are_renewed() -> None:
    made: list[Engine] = []

    def build(weights: Any) -> Any:
        made.append(Engine(weights))
        return made[0]

    first, other = Together(leads=True), Together(leads=False)
    sampling = [FirstSamples(policy, build, copies_weights=True) for policy in (first, other)]  # type: ignore[arg-type]
    assert not made  # a training that never samples has no engine
    answers = [engine.generate([[1], [2]], seed=5) for engine in sampling]
    assert answers == [[["answered"]], "what the first has"]
    assert len(made) == 1 and made[0].calls == ["w", "2 prompts, seed 5"]
    assert (first.put_together, other.put_together) == (1, 1)
    for engine in sampling:
        engine.generate([[1]], seed=6)
        engine.renew()
    assert made[0].calls[2:] == ["1 prompts, seed 6", "w"]
    assert (first.put_together, other.put_together) == (2, 2)
