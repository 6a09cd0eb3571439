"""The seam between sampling and everything that needs samples: token ids in, token ids and log-probabilities out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One sampled continuation. `logps[i]` is the log-probability of `tokens[i]` under the sampler's own
    distribution (temperature and top-p applied); there may be none where nobody asked for them. The end token, where there
    is one, is the last token."""

    tokens: list[int]
    logps: list[float]
    finished: bool  # False: cut off at max_new_tokens


OnFinished = Callable[[int, int, Completion], None]
"""(the prompt's place, the draw's number, its completion)"""


class Engine(Protocol):
    """Something that samples from the policy (stages/rollout).

    `copies_weights`: it samples from a copy of the policy's weights, which `renew` brings up to date.
    """

    copies_weights: bool

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        draws: int,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        on_finished: OnFinished | None = None,
        logps: bool = True,
    ) -> list[list[Completion]]:
        """`draws` completions for each prompt, in the prompts' order. The same arguments and weights give the same answer.
        Who trains needs `logps`; elsewhere an engine that computes them for that alone may leave them out.

        `on_finished` is told of each completion as soon as it is there, in any order and from any thread, so that work
        on it can begin while others are sampled.
        """

    def renew(self) -> None:
        """The policy's weights may have changed: from now on sample from what they are. To be called before `generate`
        by whoever trains; an engine without a copy has nothing to do."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What `generate` is asked for: its arguments."""

    prompts: tuple[tuple[int, ...], ...]
    draws: int
    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    logps: bool

    @property
    def positions(self) -> int:
        """The most tokens that a prompt and its completion may have."""
        return max(map(len, self.prompts), default=0) + self.max_new_tokens


@runtime_checkable
class LooksAhead(Protocol):
    """An engine that can begin with what it will be asked for next, so that it is never idle while a call's last, longest
    answers are sampled."""

    def ahead(self, ask: Ask) -> None:
        """`generate` will be called with these arguments, and no weights change before. Returns at once."""


class Codec(Protocol):
    """Questions to token ids, completions back to text (stages/model/tokenizer.py)."""

    def prompt(self, question: str) -> list[int]: ...

    def text(self, tokens: Sequence[int]) -> str: ...
