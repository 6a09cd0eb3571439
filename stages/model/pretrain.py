"""Pre-training of a tiny model: next-token prediction over short documents."""

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.contract.course import UNKEPT, Course, Progress
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.params import Pretrain
from stages.contract.phases import phases
from stages.contract.team import ALONE, Team
from stages.model.batches import Used, by_budget, pad, unrecorded
from stages.model.decoder import Decoder
from stages.model.gradients import accumulate
from stages.model.optimiser import Live, Muon, adamw, set_rate, trapezoid_rate

_CHUNK = 24  # steps whose documents are sorted by length together


def pretrain(
    decoder: Decoder,
    documents: Sequence[Sequence[int]],
    settings: Pretrain,
    *,
    pad_id: int,
    seed: int,
    report: Reporter,
    team: Team = ALONE,
    progress: Progress[Live] = UNKEPT,
    used: Used = unrecorded,
) -> list[dict[str, float]]:
    """Train in place on tokenised documents, in their order, again from the start if they run out. `used` is told the
    documents of every step that is done.

    Returns the curve: step, loss (nats a token) and tokens seen, every 50 steps.

    Raises:
        UserError: no documents.
    """
    torch.use_deterministic_algorithms(True)
    if not documents:
        raise UserError("there are no documents to pre-train on", hint="r1 run prompts -f")
    inside = [p for n, p in decoder.named_parameters() if p.ndim == 2 and "layers" in n]
    matrices = set(inside)
    muon = Muon(inside, team=team)
    other = adamw([p for p in decoder.parameters() if p not in matrices], betas=settings.betas, weight_decay=0.0)
    total = settings.steps
    batches = list(islice(_batches([len(document) for document in documents], settings, seed), total))
    report.phase("pre-training", total=total)
    live: dict[str, Live] = {"weights": list(decoder.parameters()), "muon": muon.momenta(), "other": other}
    course = Course(progress, live, total=total, plan=batches.__getitem__, report=report)
    curve, losses, tokens = _so_far(course.plain)
    for step in course.steps():
        batch = [documents[i] for i in batches[step]]
        count = sum(len(document) - 1 for document in batch)
        shares = [part for member in range(team.size) if (part := team.share(batch, member))]
        loss_of = partial(_loss, decoder, count=count, pad_id=pad_id)
        with phases("train"):
            parts = accumulate(decoder.parameters(), shares, loss_of, team=team)
            share = trapezoid_rate(step, steps=total, warmup=settings.warmup_steps, decay_from=settings.decay_from)
            muon.step(settings.lr_matrix * share)
            set_rate(other, settings.lr_other * share)
            other.step()
        losses += sum(parts)
        tokens += count
        if (step + 1) % 50 == 0 or step + 1 == total:
            since = (step % 50) + 1
            curve.append({"step": step + 1, "loss": losses / since, "tokens": tokens})
            report.step(step + 1, {"loss": losses / since, "tokens": tokens})
            losses = 0.0
        used(step + 1, batches[step])
        course.done(batches[step], partial(dict, curve=curve, losses=losses, tokens=tokens))
    course.finish()
    return curve


def _so_far(plain: Mapping[str, object]) -> tuple[list[dict[str, float]], float, int]:
    """The curve, the losses since its last row, and the tokens."""
    found = plain or {"curve": [], "losses": 0.0, "tokens": 0}
    return cast(tuple[list[dict[str, float]], float, int], (found["curve"], found["losses"], found["tokens"]))


def _loss(decoder: Decoder, rows: Sequence[Sequence[int]], *, count: int, pad_id: int) -> tuple[Tensor, float]:
    """The rows' summed next-token loss over `count`, the tokens that the whole batch predicts."""
    batch = pad(rows, pad_id)
    targets = batch[:, 1:].masked_fill(batch[:, 1:] == pad_id, -100)
    logits = decoder(batch[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum") / count
    return loss, loss.item()


def _batches(lengths: Sequence[int], settings: Pretrain, seed: int) -> Iterator[list[int]]:
    """Documents of `tokens_per_step` padded positions a step; within a chunk of steps sorted by length, then shuffled."""
    rng, position = random.Random(seed), 0
    while True:
        chunk: list[int] = []
        size = 0
        while size < settings.tokens_per_step * _CHUNK:
            chunk.append(position % len(lengths))
            size += lengths[chunk[-1]]
            position += 1
        batches = by_budget([lengths[i] for i in chunk], settings.tokens_per_step)
        rng.shuffle(batches)
        yield from ([chunk[i] for i in batch] for batch in batches)
