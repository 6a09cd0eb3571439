"""Stopping a stage on its way, in this process: after so many signs of life. Every step is committed."""

import signal
from dataclasses import dataclass, field
from pathlib import Path

from stages.contract.attempt import Attempt
from stages.contract.events import Silent
from stages.contract.params import Checkpoints

EVERY_STEP = Checkpoints(every_s=1e9, every_steps=1)


class Stopped(Exception):
    """As a kill would, it comes before what the step did is committed."""


class StoppingAttempt(Attempt):
    """Stops at sign of life number `at`, 1 being the first; never, if 0."""

    def __init__(self, folder: Path, *, at: int = 0, checkpoints: Checkpoints = EVERY_STEP) -> None:
        super().__init__(folder, checkpoints)
        self.at = at
        self.signs = 0

    def sign(self) -> None:
        super().sign()
        self.signs += 1
        if self.signs == self.at:
            self.stop()

    def stop(self) -> None:
        raise Stopped


class AskedAttempt(StoppingAttempt):
    """Is asked to stop just before sign of life number `at`; commits nothing until then."""

    def __init__(self, folder: Path, *, at: int) -> None:
        super().__init__(folder, at=at, checkpoints=Checkpoints(every_s=1e9))

    def stop(self) -> None:
        self.stopping.number = signal.SIGTERM


@dataclass
class Notes(Silent):
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)
