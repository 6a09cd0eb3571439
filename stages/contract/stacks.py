"""A helper process of a stage writes its Python stacks down when the stage hangs (stages/contract/watchdog.py)."""

import faulthandler
import os

STACKS = "R1_STACKS"  # in the environment of all that a stage starts: the file for their stacks


def hear_abort() -> None:
    """From now on, SIGABRT has this process write its stacks before it ends."""
    if path := os.environ.get(STACKS):
        faulthandler.enable(open(path, "a"))  # stays open as long as the process lives
