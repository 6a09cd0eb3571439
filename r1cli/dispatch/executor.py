"""The seam between a stage and the place it runs in."""

from typing import Protocol

from r1cli.dispatch.job import Handle, JobSpec, State


class Executor(Protocol):
    """Something that runs jobs."""

    def submit(self, spec: JobSpec) -> Handle:
        """Start the job and return at once."""

    def poll(self, handle: Handle) -> State:
        """How the job stands now. Never waits."""

    def cancel(self, handle: Handle, *, force: bool = False) -> None:
        """Ask the job to stop (SIGTERM), or end it (`force`, SIGKILL)."""
