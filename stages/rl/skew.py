"""The skew gate: is the engine that samples the policy that is trained?

Engines compute the same model with other kernels, other precision, another copy of the weights. Where their
log-probabilities drift from the trainer's, RL learns from ratios that mean nothing, and shows it only later. So the two are
compared on the engine's own tokens at the training temperature: before the first step, after an update that changed nothing
(as with lr 0; for engines with a copy of the weights), after the first that did, and every so many steps from then on.

Over the limit the run stops. The trainer's side is then recomputed under each suspicion (another template, another
temperature, another dtype, older weights, weights handed over anew), and the one that explains the gap is named.

Not covered: an engine that reports other log-probabilities than it samples from; a gap on few tokens that the mean hides.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from stages.contract.errors import UserError
from stages.contract.params import Skew

TEMPERATURES = (0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
EXPLAINS = 0.5  # a suspicion explains a gap of which it leaves less than this share
ROUNDING = 3.0  # what is within this factor of the trainer's own gap between dtypes may be one of dtypes

HINTS = {
    "template": "let rollout.template be the one that the engine's prompts are made with",
    "temperature": "let the engine sample at the stage's temperature, and report log-probabilities after it (vLLM: processed_logprobs)",
    "dtype": "rollout.vllm.dtype: float32 in params.yaml, or a higher rollout.skew.max_gap with objective.tis: token",
    "stale weights": "the engine must take the policy's weights before it samples: see docs/engines.md, \"Stale weights\"",
    "": "--set rollout.engine=embedded shows whether it is the engine; rollout.skew.max_gap in params.yaml if the gap is known",
}  # fmt: skip


class Scoring(Protocol):
    """What the gate needs of a policy: log-probabilities [B,T] of completions, entropies, and the mask."""

    def logps(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]: ...


class Trained(Scoring, Protocol):
    """The policy in training."""

    def in_dtype(self, dtype: torch.dtype) -> Scoring | None:
        """A frozen copy that computes in another dtype; None where there can't be one."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A completion with the engine's log-probabilities of its tokens."""

    question: str
    prompt: Sequence[int]
    tokens: Sequence[int]
    logps: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """What the trainer's side can be recomputed with.

    `templates`: name -> how a question becomes a prompt under it, the one in use left out. `in_dtype`: the policy in another
    dtype. `older`: name -> the policy as it was. `resampled`: the same questions answered again, after the engine was given the
    policy's weights once more; None for an engine without a copy of them.
    """

    templates: Mapping[str, Callable[[str], Sequence[int]]]
    in_dtype: Callable[[torch.dtype], Scoring | None]
    older: Mapping[str, Scoring]
    resampled: Callable[[], Sequence[Scored]] | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The gap in nats a token that is left if `cause` is what is wrong; `detail` says with which value."""

    cause: str
    detail: str
    left: float


@torch.no_grad()
def gap(policy: Scoring, scored: Sequence[Scored], *, temperature: float) -> float:
    """Mean absolute difference, in nats a token, of the engine's log-probabilities and the policy's at `temperature`."""
    total, tokens = 0.0, 0
    for one in scored:
        if one.tokens:
            logps, _, _ = policy.logps([one.prompt], [one.tokens], temperature=temperature)
            total += float((logps[0].double().cpu() - torch.tensor(one.logps, dtype=torch.float64)).abs().sum())
            tokens += len(one.tokens)
    return total / max(1, tokens)


def check(
    policy: Scoring,
    scored: Sequence[Scored],
    settings: Skew,
    suspects: Callable[[], Suspects],
    *,
    temperature: float,
    when: str,
) -> float:
    """The gap. `when` tells the user at which point of the run it was found.

    Raises:
        UserError: it is over the limit (or not a number); the likely cause is named.
    """
    found = gap(policy, scored, temperature=temperature)
    if found <= settings.max_gap:
        return found
    likely, all_findings = diagnose(policy, scored, suspects(), temperature=temperature, found=found)
    tokens = sum(len(one.tokens) for one in scored)
    tried = ", ".join(f"{f.cause} {f.left:.2g} ({f.detail})" for f in all_findings)
    cause = f"likely cause: {likely.cause} ({likely.detail} leaves {likely.left:.2g})" if likely else "no known cause"
    raise UserError(
        f"{when}: the engine's log-probabilities are off the trainer's by {found:.3g} nats a token "
        f"(limit {settings.max_gap:g}, {tokens} tokens); {cause}; gap left by each suspicion: {tried}",
        hint=HINTS[likely.cause if likely else ""],
    )


def diagnose(
    policy: Scoring, scored: Sequence[Scored], suspects: Suspects, *, temperature: float, found: float
) -> tuple[Finding | None, list[Finding]]:
    """The suspicion that explains a gap best, if one does, and what each leaves of it, the best first."""
    best: dict[str, Finding] = {}
    for finding in _findings(policy, scored, suspects, temperature, found):
        if finding.cause not in best or finding.left < best[finding.cause].left:
            best[finding.cause] = finding
    ordered = sorted(best.values(), key=lambda finding: finding.left)
    explains = bool(ordered) and ordered[0].left < EXPLAINS * found
    return (ordered[0] if explains else None), ordered


def _findings(
    policy: Scoring, scored: Sequence[Scored], suspects: Suspects, temperature: float, found: float
) -> Iterator[Finding]:
    for name, prompt_of in suspects.templates.items():
        asked = [replace(one, prompt=prompt_of(one.question)) for one in scored]
        # A prompt that is too long for the model is none that the engine answered.
        with suppress(UserError):
            yield Finding(cause="template", detail=name, left=gap(policy, asked, temperature=temperature))
    yield _temperature(policy, scored, temperature)
    for name, dtype in DTYPES.items():
        other = suspects.in_dtype(dtype)
        if other is None:
            continue
        left = gap(other, scored, temperature=temperature)
        # Another kernel rounds otherwise in the same dtype, so a gap of the size of the trainer's own rounding counts as well.
        own = gap(other, _as_scored(policy, scored, temperature), temperature=temperature)
        if own / ROUNDING <= found <= ROUNDING * own:
            left = min(left, abs(found - own))
        yield Finding(cause="dtype", detail=name, left=left)
    for name, older in suspects.older.items():
        yield Finding(cause="stale weights", detail=name, left=gap(older, scored, temperature=temperature))
    if suspects.resampled:
        renewed = gap(policy, suspects.resampled(), temperature=temperature)
        yield Finding(cause="stale weights", detail="handing them over again", left=renewed)


def _temperature(policy: Scoring, scored: Sequence[Scored], temperature: float) -> Finding:
    """The temperature other than the run's that leaves the least: from a grid, then between its neighbours there."""
    tried = {t: gap(policy, scored, temperature=t) for t in TEMPERATURES if abs(t - temperature) > 1e-9}
    around = min(tried, key=lambda t: tried[t])
    step = 0.1
    for _ in range(5):
        step /= 2
        for t in (around - step, around + step):
            if t > 0 and abs(t - temperature) > 0.02:
                tried[t] = gap(policy, scored, temperature=t)
        around = min(tried, key=lambda t: tried[t])
    return Finding(cause="temperature", detail=f"{around:.3g} instead of {temperature:g}", left=tried[around])


@torch.no_grad()
def _as_scored(policy: Scoring, scored: Sequence[Scored], temperature: float) -> list[Scored]:
    """The same completions with the policy's own log-probabilities."""
    return [
        replace(s, logps=policy.logps([s.prompt], [s.tokens], temperature=temperature)[0][0].tolist())
        for s in scored
        if s.tokens
    ]


class Gate:
    """When the two are compared in a run, and on what. One for each run of the loop."""

    def __init__(self, settings: Skew, *, templates: Mapping[str, Callable[[str], Sequence[int]]]) -> None:
        self.settings = settings
        self.templates = templates
        self._compared: list[int] = []  # steps

    def due(self, step: int) -> bool:
        """Whether the rollout before this step (from 0) is compared: an attempt's first two, then one each so many steps."""
        return len(self._compared) < 2 or step - self._compared[-1] >= self.settings.every

    def pass_through(
        self,
        policy: Trained,
        origin: Scoring,
        scored: Sequence[Scored],
        again: Callable[[], Sequence[Scored]] | None,
        *,
        temperature: float,
        step: int,
    ) -> None:
        """Compare a rollout, of which `scored` is a part. `origin` is the policy as training began; `again` hands the engine
        the policy's weights anew and has it answer the same questions, for engines that hold a copy.

        Raises:
            UserError: the engine is not the policy.
        """

        def suspects() -> Suspects:
            return Suspects(
                templates=self.templates,
                in_dtype=policy.in_dtype,
                older={"those that training began with": origin} if step else {},
                resampled=again,
            )

        now = f"step {step + 1}" if step else "before the first step"
        check(policy, scored, self.settings, suspects, temperature=temperature, when=now)
        if again and not self._compared:
            unchanged = f"{now}, after an update that changed nothing"
            check(policy, again(), self.settings, suspects, temperature=temperature, when=unchanged)
        self._compared.append(step)
