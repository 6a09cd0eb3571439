"""The seam between a stage and the place it runs in."""

from collections.abc import Iterator
from typing import Protocol

from r1cli.dispatch.job import Handle, JobSpec, State


class Executor(Protocol):
    """Something that runs jobs. One of another package is found by its entry point in the group `r1.executors`: a
    callable that is given its table of r1.toml and returns the executor."""

    @property
    def outlives(self) -> bool:
        """Whether a job goes on when the process that submitted it ends. It then takes its work folder's lease itself
        (r1cli/dispatch/keeper.py)."""

    def render(self, spec: JobSpec) -> str:
        """What would be submitted, as text. Pure."""

    def submit(self, spec: JobSpec) -> Handle:
        """Start the job and return at once. Where the same job is under way already, that one is returned.

        Raises:
            UserError: the place refuses it.
        """

    def poll(self, handle: Handle) -> State:
        """How the job stands now. Never waits."""

    def logs(self, handle: Handle, *, follow: bool) -> Iterator[str]:
        """What the job has written, by lines; with `follow` until it ends."""

    def cancel(self, handle: Handle, *, force: bool = False) -> None:
        """Ask the job to stop (SIGTERM), or end it (`force`, SIGKILL)."""
