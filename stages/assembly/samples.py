"""Completions that are kept piece by piece while a stage samples, and the pieces shared out among workers."""

import os
import re
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor

from stages.assembly.progress import PLAIN, TENSORS
from stages.contract.commits import Commit, commit, numbers, opened, write_json
from stages.contract.engine import Completion
from stages.contract.errors import HelpedError, UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.phases import phases
from stages.contract.pieces import WORKER, Pieces, helps
from stages.model.checkpoint import save_tensors

POLL_S = 0.2


class Samples:
    """Completions, in pieces that don't depend on one another: each is committed when it is sampled, and kept.

    A piece is named by the place of its first prompt.
    """

    def __init__(self, paths: Paths, name: str, report: Reporter) -> None:
        self._attempt = paths.attempt
        self._name = re.sub(r"\W+", "-", name)
        self._report = report

    def found(
        self, pieces: Mapping[int, Sequence[str]], *, draws: int
    ) -> dict[int, Callable[[], list[list[Completion]]]]:
        """How to read what earlier attempts sampled of the pieces, given with their prompts' ids; the user is told.

        Raises:
            UserError: it answers other prompts than these.
        """
        if self._attempt is None:
            return {}
        parent = self._attempt.part(self._name)
        there = (number for number in numbers(parent) if number in pieces)
        commits = {number: found for number in there if (found := self._whole(parent, number))}
        if not commits:
            return {}
        kept = {number: cast(dict[str, list[str]], found.read(PLAIN))["prompts"] for number, found in commits.items()}
        wanted = Counter(prompt for number in kept for prompt in pieces.get(number, ()))
        answered = Counter(prompt for prompts in kept.values() for prompt in prompts)
        skipped, duplicated = (wanted - answered).total(), (answered - wanted).total()
        lost_s = self._attempt.lost_s(max(found.saved_at for found in commits.values()))
        self._report.note(
            f"resumed with {answered.total()} of {sum(map(len, pieces.values()))} prompts answered (saved {lost_s:.0f} s "
            f"before the stop): rows skipped {skipped}, duplicated {duplicated}"
        )
        if skipped or duplicated:
            raise UserError("what was saved doesn't fit the data", hint="rm -r .r1/work ; then run it again")
        return {number: partial(_read, found.folder, draws) for number, found in commits.items()}

    def share(
        self,
        pieces: Mapping[int, Sequence[str]],
        sample: Callable[[int, int | None], list[list[Completion]]],
        *,
        ahead: bool,
    ) -> None:
        """Sample pieces until none is left, where several workers share them; else nothing happens. What is committed is
        then found by the one that leads. With `ahead` a worker holds its next piece already, which `sample` is told of.

        Raises:
            HelpedError: this process is not the one that leads.
        """
        if self._attempt is None or WORKER not in os.environ:
            return
        parent = self._attempt.part(self._name)
        shared = Pieces(self._attempt.folder / f"{self._name}-pieces")
        done = set(numbers(parent))
        shared.offer(number for number in pieces if number not in done)
        with phases("generate"), ExitStack() as held:  # after an error all are given up

            def take() -> tuple[int, ExitStack] | None:
                if (number := shared.take()) is None:
                    return None
                piece = held.enter_context(ExitStack())
                piece.enter_context(shared.held(number))
                return number, piece

            mine = take()
            while mine or shared.left():
                if mine is None:  # others have the rest: they may die
                    with phases("collective"):
                        time.sleep(POLL_S)
                    mine = take()
                    continue
                (number, piece), then = mine, take() if ahead else None
                with self.under_way():
                    if not (parent / str(number)).exists():
                        self.put(number, pieces[number], sample(number, then[0] if then else None))
                    piece.close()
                mine = then or take()
        if helps(os.environ):
            raise HelpedError

    def under_way(self) -> AbstractContextManager[None]:
        """While this lasts, who is asked to stop waits for the piece to be put."""
        return self._attempt.stopping.under_way() if self._attempt else nullcontext()

    def put(self, number: int, prompts: Sequence[str], groups: Sequence[Sequence[Completion]]) -> None:
        """Commit a piece.

        Raises:
            StoppedError: the process was asked to stop.
        """
        if self._attempt is None:
            return

        def write(folder: Path) -> None:
            save_tensors(_packed([completion for group in groups for completion in group]), folder / TENSORS)
            write_json(folder / PLAIN, {"prompts": list(prompts)})

        parent = self._attempt.part(self._name)
        with phases("save"):
            try:
                commit(parent, number, write, by=f".{socket.gethostname()}-{os.getpid()}")
            except OSError:
                if opened(parent, number) is None:
                    raise
                # another worker was quicker, with the same
        self._attempt.sign()
        self._attempt.stopping.committed()

    def _whole(self, parent: Path, number: int) -> Commit | None:
        found = opened(parent, number)
        if found is None:
            self._report.note(f"the answers saved from prompt {number} on are broken: they are sampled again")
            shutil.rmtree(parent / str(number))
        return found


def _packed(completions: Sequence[Completion]) -> dict[str, Tensor]:
    """Completions one after the other. Log-probabilities, where all have some, keep every digit."""
    return {
        "tokens": torch.tensor([token for c in completions for token in c.tokens], dtype=torch.int64),
        "logps": torch.tensor([logp for c in completions for logp in c.logps], dtype=torch.float64),
        "lengths": torch.tensor([len(c.tokens) for c in completions], dtype=torch.int64),
        "finished": torch.tensor([c.finished for c in completions], dtype=torch.bool),
    }


def _read(folder: Path, draws: int) -> list[list[Completion]]:
    return _unpacked(load_file(folder / TENSORS), draws)


def _unpacked(tensors: Mapping[str, Tensor], draws: int) -> list[list[Completion]]:
    lengths = tensors["lengths"].tolist()
    without = [0] * len(lengths)
    completions = [
        Completion(tokens=tokens.tolist(), logps=logps.tolist(), finished=finished)
        for tokens, logps, finished in zip(
            torch.split(tensors["tokens"], lengths),
            torch.split(tensors["logps"], lengths if len(tensors["logps"]) else without),
            tensors["finished"].tolist(),
            strict=True,
        )
    ]
    return [completions[start : start + draws] for start in range(0, len(completions), draws)]
