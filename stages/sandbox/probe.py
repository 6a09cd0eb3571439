"""Which isolation this machine offers: found by running a canary program in each tier, not by reading settings.

`python -m stages.sandbox.probe` prints it as JSON, for `r1 doctor`.
"""

import json
import os
import tempfile
import threading
from dataclasses import asdict, dataclass

from stages.contract.errors import UserError
from stages.sandbox.limits import Limits
from stages.sandbox.pool import SETTING, TIERS, Job, SandboxError, Tier, Zygote

# Each line that succeeds is a hole. The marker shows that the program ran to its end.
_CANARY = """
import os, socket
holes = []
def hole(name, attempt):
    try: attempt()
    except (OSError, RuntimeError): return
    holes.append(name)
hole("host files", lambda: open(FILE).read())
hole("host folders", lambda: os.listdir("/etc"))
hole("/proc", lambda: os.listdir("/proc"))
hole("sockets", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
hole("processes", lambda: os.fork() or os._exit(0))
hole("programs", lambda: os.execv("/bin/true", ["true"]))
if PID != os.getpid(): hole("signals", lambda: os.kill(PID, 0))  # both may be 1, each in a namespace of its own
if os.environ: holes.append("environment")
with open("own", "w") as file: file.write("x")
print("ran", *holes, sep="|")
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a tier is here: `works`, and `detail`, which says as whom programs run, or why it doesn't work."""

    tier: Tier
    works: bool
    detail: str


def probe(tier: Tier) -> Found:
    """Try a tier."""
    try:
        worker = Zygote(tier)
    except SandboxError as error:
        return Found(tier=tier, works=False, detail=str(error))
    try:
        with tempfile.NamedTemporaryFile("w", prefix="r1-canary-") as file:
            os.chmod(file.name, 0o644)  # only the sandbox hides it
            code = _CANARY.replace("FILE", repr(file.name)).replace("PID", str(os.getpid()))
            run = worker.run(Job(mode="script", program=code.encode()), Limits())
    except SandboxError as error:
        return Found(tier=tier, works=False, detail=str(error))
    finally:
        worker.close()
    marker, *holes = run.stdout.decode(errors="replace").strip().split("|")
    if marker != "ran" or run.code != 0:
        return Found(
            tier=tier, works=False, detail=f"the canary failed ({run.stopped or run.code}) {run.stderr[-300:]}"
        )
    if holes:
        return Found(tier=tier, works=False, detail=f"the canary got out: {', '.join(holes)}")
    return Found(tier=tier, works=True, detail=f"programs run as {worker.runs_as}")


_lock = threading.Lock()
_found: list[Found] = []


def strongest() -> list[Found]:
    """The tiers tried, strongest first, up to the first that works. Tried once a process."""
    with _lock:
        if not _found:
            for tier in TIERS:
                _found.append(probe(tier))
                if _found[-1].works:
                    break
        return list(_found)


def chosen() -> Tier:
    """The tier to use: the setting's, or the strongest that works.

    Raises:
        UserError: none works and the setting doesn't say to go without, or it names no tier.
    """
    setting = os.environ.get(SETTING, "auto") or "auto"
    known: tuple[Tier, ...] = (*TIERS, "none")
    if setting != "auto":
        for tier in known:
            if tier == setting:
                return tier
        raise UserError(f"{SETTING}={setting} is none of auto, {', '.join(known)}", hint=f"unset {SETTING}")
    found = strongest()
    if found[-1].works:
        return found[-1].tier
    raise UserError(
        "no sandbox for untrusted code works here: " + "; ".join(f"{each.tier}: {each.detail}" for each in found),
        hint=f"allow user namespaces, or export {SETTING}=none to run model-written code WITHOUT isolation",
    )


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


if __name__ == "__main__":
    print(json.dumps([asdict(each) for each in strongest()]))
