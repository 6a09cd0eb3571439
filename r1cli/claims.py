"""Who may publish a stage's outs: the run that asked last.

A run whose `dvc` was killed before it could notice may still work while a later run, of other params, has published.
"""

import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.contract.errors import UserError


class Claim:
    """A run's claim to the outs of a stage in a project folder. A later claim ends it."""

    def __init__(self, folder: Path, root: Path, stage: str) -> None:
        """Claim. `folder` is for the claims of all projects that share their work folders."""
        self._stage = stage
        self._mark = uuid.uuid4().hex
        self._path = folder / f"{stage}-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        with self._locked() as descriptor:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, self._mark.encode(), 0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold off later claims meanwhile.

        Raises:
            UserError: there was one.
        """
        with self._locked() as descriptor:
            if os.pread(descriptor, 64, 0).decode() != self._mark:
                raise UserError(
                    f"a later run of {self._stage} has taken over, so this one publishes nothing",
                    hint=f"r1 run {self._stage}",
                )
            yield

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)
