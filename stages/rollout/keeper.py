"""Runs a command that ends with whoever started it, however that ends: python -m stages.rollout.keeper COMMAND...

To be started in a session of its own, with a pipe for its standard input that nothing is ever written to. When the pipe's
other end is gone, the whole session's process group is killed.
"""

import os
import signal
import subprocess
import sys
import threading


def _end_with_starter() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.exit(subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL))
