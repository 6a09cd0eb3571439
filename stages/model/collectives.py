"""An engine's collectives say that they are, so that the watchdog knows who waits and who is waited for.

Not covered: on GPUs a collective returns before it is done. Who waits for a slow rank then waits where a result is first
asked for; the trainer does that within the phase `collective` after each backward pass, but a forward pass under ZeRO-3
counts as `train` until then.
"""

from collections.abc import Callable
from functools import wraps

from stages.contract.phases import phases

NAMES = (
    "all_reduce", "all_reduce_coalesced", "reduce", "reduce_scatter", "reduce_scatter_tensor", "broadcast",
    "broadcast_object_list", "all_gather", "all_gather_into_tensor", "all_gather_coalesced", "all_gather_object",
    "all_to_all", "all_to_all_single", "gather", "scatter", "barrier",
)  # fmt: skip


def announced(backend: object) -> None:
    """From now on the backend's collectives are in the phase `collective`, and so is who waits for one."""
    for name in NAMES:
        setattr(backend, name, _in_phase(getattr(backend, name)))


class _Started:
    """A collective under way."""

    def __init__(self, work: object) -> None:
        self._work = work
        self.wait = _in_phase(work.wait)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        return getattr(self._work, name)


def _in_phase(collective: Callable[..., object]) -> Callable[..., object]:
    @wraps(collective)
    def call(*given: object, **named: object) -> object:
        with phases("collective"):
            found = collective(*given, **named)
        return _Started(found) if hasattr(found, "wait") else found

    return call
