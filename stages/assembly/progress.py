"""Where the states of a stage's loops are kept: safetensors and JSON in folders that are committed whole. No pickle."""

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.optim import Optimizer

from stages.contract.attempt import Attempt
from stages.contract.commits import Commit, commit, keep_newest, newest, write_json
from stages.contract.course import UNKEPT, Plain, Progress, Saved
from stages.contract.errors import StoppedError
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.phases import phases
from stages.model.checkpoint import save_tensors
from stages.model.optimiser import Live, Streamed
from stages.model.processes import Processes
from stages.model.shards import reader, write_tensors

TENSORS, PLAIN = "state.safetensors", "state.json"


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
