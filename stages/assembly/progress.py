"""Where the states of a stage's loops are kept: safetensors and JSON in folders that are committed whole. No pickle."""

import os
import random
import re
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.optim import Optimizer

from stages.contract.attempt import Attempt
from stages.contract.commits import Commit, commit, keep_newest, newest, numbers, opened, write_json
from stages.contract.course import UNKEPT, Plain, Progress, Saved
from stages.contract.engine import Completion
from stages.contract.errors import HelpedError, StoppedError, UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.phases import phases
from stages.contract.pieces import WORKER, Pieces, helps
from stages.model.checkpoint import save_tensors
from stages.model.optimiser import Live, Streamed
from stages.model.processes import Processes
from stages.model.shards import reader, write_tensors

TENSORS, PLAIN = "state.safetensors", "state.json"
POLL_S = 0.2


class Keeper(Protocol):
    """Something else that must be as it was: rows that the stage has gathered for its tables."""

    def save(self, folder: Path) -> None:
        """Write it to files in `folder`, which a commit is being made of."""

    def restore(self, folder: Path) -> None:
        """Make it what it was when `folder` was committed."""


def progress(
    paths: Paths, name: str, report: Reporter, *keepers: Keeper, processes: Processes | None = None
) -> Progress[Live]:
    """Where the loop `name` of this stage commits its states, those of `keepers` with them."""
    return Kept(paths.attempt, name, report, keepers, processes) if paths.attempt else UNKEPT


class Kept:
    """The states of one loop: weights, optimisers, every generator, what the loop and the keepers hold.

    Of several processes the first writes; what lies in parts in all of them is put together for it on the way, so that
    any number of processes can go on from it. All read. A wish to stop that one of them hears stops them all.
    """

    def __init__(
        self,
        attempt: Attempt,
        name: str,
        report: Reporter,
        keepers: Sequence[Keeper] = (),
        processes: Processes | None = None,
    ) -> None:
        self._attempt = attempt
        self._name = name
        self._report = report
        self._keepers = keepers
        self._processes = processes or Processes()
        self._asked = 0  # the signal that a process heard
        self._step = 0
        self._at = time.monotonic()

    def load(self, live: Mapping[str, Live]) -> Saved | None:
        found, broken = self._processes.first(newest(self._attempt.part(self._name)) if self._leads else (None, []))
        if broken:
            steps = ", ".join(map(str, broken))
            instead = "the one before it is taken" if found else "the stage starts from the beginning"
            self._report.note(f"the state saved at step {steps} is broken: {instead}")
        self._at = time.monotonic()
        if found is None:
            return None
        plain = cast(dict[str, object], found.read(PLAIN))
        self._restore(live, found, plain)
        self._step = found.number
        return Saved(step=found.number, plain=plain, lost_s=self._attempt.lost_s(found.saved_at))

    def under_way(self) -> AbstractContextManager[None]:
        return self._attempt.stopping.under_way()

    def due(self, step: int) -> bool:
        self._attempt.sign()
        self._asked = self._processes.most(self._attempt.stopping.number)
        if self._asked:
            return True
        wanted = self._attempt.checkpoints
        by_step = wanted.every_steps > 0 and step - self._step >= wanted.every_steps
        return self._processes.first(by_step or time.monotonic() - self._at >= wanted.every_s)

    def commit(self, step: int, live: Mapping[str, Live], plain: Plain) -> None:
        def write(folder: Path) -> None:
            whole = {name: thing for name, thing in live.items() if not isinstance(thing, Streamed)}
            tensors = {key: tensor for name, thing in whole.items() for key, tensor in _tensors(name, thing).items()}
            save_tensors({**tensors, "rng": torch.get_rng_state()}, folder / TENSORS)
            write_json(folder / PLAIN, {**plain, "rng": random.getstate()})
            for name, thing in live.items():
                if isinstance(thing, Streamed):
                    write_tensors(folder / f"{name}.safetensors", thing.specs(), thing.tensors())
            for keeper in self._keepers:
                keeper.save(folder)

        if self._leads:
            parent = self._attempt.part(self._name)
            with phases("save"):
                commit(parent, step, write)
            keep_newest(parent, self._attempt.checkpoints.keep)
        else:
            for thing in live.values():
                for _ in thing.tensors() if isinstance(thing, Streamed) else ():
                    pass  # takes its part in putting them together
        self._processes.first(step)  # nobody goes on before it is there
        self._step, self._at = step, time.monotonic()
        self._attempt.stopping.committed()
        if self._asked:
            raise StoppedError(self._asked)

    @property
    def _leads(self) -> bool:
        return self._processes.leads

    def _restore(self, live: Mapping[str, Live], found: Commit, plain: Mapping[str, object]) -> None:
        tensors = load_file(found.folder / TENSORS)
        for name, thing in live.items():
            if isinstance(thing, Streamed):
                thing.put(reader(found.folder / f"{name}.safetensors"))
                continue
            _put(thing, {key.removeprefix(f"{name}."): t for key, t in tensors.items() if key.startswith(f"{name}.")})
        torch.set_rng_state(tensors["rng"])
        version, state, gauss = cast(tuple[int, list[int], float | None], plain["rng"])
        random.setstate((version, tuple(state), gauss))
        for keeper in self._keepers:
            keeper.restore(found.folder)


def _tensors(name: str, thing: Sequence[Tensor] | Optimizer) -> dict[str, Tensor]:
    """The tensors of a thing, by the place of each in it."""
    if not isinstance(thing, Optimizer):
        return {f"{name}.{place}": tensor.detach() for place, tensor in enumerate(thing)}
    return {
        f"{name}.{place}.{key}": value
        for place, parameter in enumerate(_parameters(thing))
        for key, value in thing.state.get(parameter, {}).items()
    }


@torch.no_grad()
def _put(thing: Sequence[Tensor] | Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give a thing the tensors that it had. Copies: what safetensors reads lies in memory less well than torch's own."""
    if not isinstance(thing, Optimizer):
        for place, tensor in enumerate(thing):
            tensor.copy_(tensors[str(place)])
        return
    parameters = _parameters(thing)
    thing.state.clear()
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        thing.state[parameters[int(number)]][name] = tensor.clone()


def _parameters(optimiser: Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


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
