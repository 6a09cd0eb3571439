"""One process's attempt at a stage: the folder where its states are committed, and when the attempt before it ended."""

import time
from pathlib import Path

from stages.contract.params import Checkpoints
from stages.contract.stopping import Stopping


class Attempt:
    """Its file `alive` holds when it began, and was last touched when it gave a sign of life.

    `stopping` is what it hears of a wish that it should end.
    """

    def __init__(self, folder: Path, checkpoints: Checkpoints, *, helps: bool = False) -> None:
        """Begin. `folder` is made; the folder that it lies in must be there. `helps`: the attempt is another process's,
        which this one works for (stages/contract/pieces.py)."""
        self.folder = folder
        self.checkpoints = checkpoints
        self.stopping = Stopping()
        folder.mkdir(exist_ok=True)
        self._alive = folder / "alive"
        self._before = _life(self._alive)
        if not helps:
            self._alive.write_text(str(time.time()))

    def part(self, name: str) -> Path:
        """The folder for the states of one loop of the stage."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def sign(self) -> None:
        """Give a sign of life."""
        self._alive.touch()

    def lost_s(self, saved_at: float) -> float:
        """How long the attempt before this one still worked after `saved_at` (seconds since the epoch), in seconds."""
        if self._before is None:
            return 0.0
        began, ended = self._before
        return max(0.0, ended - max(began, saved_at))


def _life(alive: Path) -> tuple[float, float] | None:
    """When the attempt that wrote a file began, and when it gave its last sign of life."""
    try:
        return float(alive.read_text()), alive.stat().st_mtime
    except (OSError, ValueError):
        return None
