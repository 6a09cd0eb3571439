"""This process's sandboxes, of the strongest tier that the machine offers."""

import os
import threading

from stages.sandbox.pool import Sandbox, Tier
from stages.sandbox.probe import chosen

_sandboxes: dict[tuple[Tier, str], Sandbox] = {}
_lock = threading.Lock()


def shared(*, compiler: str = "") -> Sandbox:
    """The sandbox that programs run in, or (`compiler`: its path) the one that they are compiled in.

    Raises:
        UserError: no tier works here, or R1_SANDBOX names none.
    """
    tier = chosen()
    with _lock:
        if (tier, compiler) not in _sandboxes:
            _sandboxes[tier, compiler] = Sandbox(tier, compiler=compiler)
        return _sandboxes[tier, compiler]


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
