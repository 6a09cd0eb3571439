"""A host for hostile programs: secrets, servers and marks, and the grading of both tables on it. No pytest here.

`python -m tests.sandbox.ground TIER` grades the quick part of both tables and prints what failed, as JSON: that is how
other users and containers run them.
"""

import json
import os
import shutil
import socket
import string
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stages.contract.verdict import Verdict
from stages.rewards.coding import Sandboxes, grade
from stages.sandbox.compiler import NoCompilerError, find
from stages.sandbox.pool import Sandbox, Tier
from tests.sandbox import benign, hostile
from tests.sandbox.benign import Benign
from tests.sandbox.hostile import Hostile

PROJECT = Path(__file__).parents[2]
QUICK_CPP = {"cpp", "cpp_call", "cpp_threads", "cpp_doors", "cpp_forks", "cpp_exec_by_fd", "cpp_includes_passwd"}
QUICK_HANGS = {"cpu_loop", "sleeps_forever", "ignores_signals"}
SLOW = {"decompression_bomb", "compile_bomb", "memory_bomb", "slow_within_limit", "alarm", "fills_inodes"}


class Ground:
    """What the table's `$NAME`s stand for, all of it open to a program that is not contained."""

    def __init__(self, tier: Tier) -> None:
        os.environ["R1_HOST_SECRET"] = "seen"
        self.folder = Path(tempfile.mkdtemp(prefix="r1-ground-"))
        self.folder.chmod(0o777)
        descriptor, secret = tempfile.mkstemp(prefix="r1-secret")
        os.write(descriptor, b'"seen"\n')
        os.close(descriptor)
        self.secret = Path(secret)
        self.secret.chmod(0o644)
        self.tcp = socket.create_server(("127.0.0.1", 0))
        name = self.folder.name
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0{name}")
        self.abstract.listen()
        self.datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagram.bind(f"{self.folder}/datagram")
        (self.folder / "datagram").chmod(0o777)
        self.mark = self.folder / "mark"
        self.names = {
            "SECRET": secret,
            "PROJECT": str(PROJECT),
            "PID": str(os.getpid()),
            "PORT": str(self.tcp.getsockname()[1]),
            "ABSTRACT": name,
            "DATAGRAM": f"{self.folder}/datagram",
            "MARK": str(self.mark),
            "STATE": f"{name}-state",
        }
        try:
            compiling: Sandbox | None = Sandbox(tier, compiler=find())
        except NoCompilerError:
            compiling = None
        self.boxes = Sandboxes(run=Sandbox(tier), compile=compiling)

    def attack(self, case: Hostile) -> Verdict:
        """Grade a hostile program; twice in a row where it looks for what an earlier run left."""
        code = string.Template(case.code).safe_substitute(self.names)
        cases: list[dict[str, object]] = [{"input": case.given, "output": case.expected}]
        if case.kind == "call":
            cases = [{"args": [[1]], "expected": case.expected}]
        return self._grade(code, case, cases * (2 if "$STATE" in case.code else 1), "f")

    def solve(self, case: Benign) -> Verdict:
        """Grade a benign program."""
        cases: list[dict[str, object]] = [{"input": case.given, "output": case.expected}]
        if case.kind == "call":
            cases = [{"args": case.given, "expected": case.expected}]
        return self._grade(case.code, case, cases, case.fn_name)

    def _grade(self, code: str, case: Hostile | Benign, cases: Sequence[object], fn_name: str) -> Verdict:
        task = {"type": case.kind, "cases": cases, "time_limit_s": case.seconds, "memory_limit_mb": 256}
        if case.kind == "call":
            task["fn_name"] = fn_name
        return grade(code, task, case.language, sandboxes=self.boxes)

    def close(self) -> None:
        for box in (self.boxes.run, self.boxes.compile):
            if box is not None:
                box.close()
        for server in (self.tcp, self.abstract, self.datagram):
            server.close()
        self.secret.unlink()
        shutil.rmtree(self.folder)


def contained(verdict: Verdict) -> bool:
    """Nothing but `wrong` will do: unknown would mean that the program brought the sandbox down."""
    return verdict.status == "wrong" and verdict.parts["num_passed"] == 0


def quick(case: Hostile | Benign) -> bool:
    if case.name in SLOW:
        return False
    if case.language == "cpp":
        return case.name in QUICK_CPP
    return case.seconds != 0.5 or case.name in QUICK_HANGS


def failures(tier: Tier) -> dict[str, str]:
    """The quick programs that were not graded as they should, and how they were."""
    ground = Ground(tier)
    attacks = [case for case in hostile.CASES if quick(case)]
    solutions = [case for case in benign.CASES if quick(case)]
    with ThreadPoolExecutor(2) as threads:
        attacked = list(zip(attacks, threads.map(ground.attack, attacks), strict=True))
        solved = list(zip(solutions, threads.map(ground.solve, solutions), strict=True))
    bad: dict[str, str] = {case.name: verdict.reason for case, verdict in attacked if not contained(verdict)}
    bad |= {case.name: f"{verdict.status}: {verdict.reason}" for case, verdict in solved if not verdict}
    if ground.mark.exists():
        bad["mark"] = "a host path was written"
    ground.close()
    return bad


if __name__ == "__main__":
    print(json.dumps(failures(sys.argv[1])))  # type: ignore[arg-type]
