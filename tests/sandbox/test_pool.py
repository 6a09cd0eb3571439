"""The pool under its caller: threads, forks, deaths, limits, and the refusal to go without isolation."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.contract.errors import UserError
from stages.sandbox import pool, probe
from stages.sandbox.limits import Limits
from stages.sandbox.pool import Job, Sandbox, SandboxError
from tests.sandbox.ground import PROJECT

SUM = Job(mode="script", program=b"print(sum(map(int, input().split())))", given=b"3 4\n")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    found = probe.strongest()[-1]
    if not found.works:
        pytest.skip(f"no sandbox works here: {found.detail}")
    sandbox = Sandbox(found.tier, size=2)
    yield sandbox
    sandbox.close()


def test_a_run(sandbox: Sandbox) -> None:
    run = sandbox.run(SUM)
    assert (run.stopped, run.code, run.stdout, run.stderr) == ("", 0, b"7\n", "")
    assert 0 < run.cpu_s < 5 and 0 < run.wall_s < 10


def test_threads_share_it(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as threads:
        jobs = [Job(mode="script", program=f"print({n})".encode()) for n in range(40)]
        assert [int(run.stdout) for run in threads.map(sandbox.run, jobs)] == list(range(40))


def test_the_starting_thread_may_end(sandbox: Sandbox) -> None:
    thread = threading.Thread(target=sandbox.run, args=(SUM,))
    thread.start()
    thread.join()
    assert sandbox.run(SUM).code == 0 and sandbox.num_failures == 0


def _child(sandbox: Sandbox, queue: "multiprocessing.Queue[bytes]") -> None:
    queue.put(sandbox.run(SUM).stdout)


def test_a_forked_child_has_its_own(sandbox: Sandbox) -> None:
    sandbox.run(SUM)
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[bytes] = context.Queue()
    child = context.Process(target=_child, args=(sandbox, queue))
    child.start()
    assert queue.get(timeout=60) == b"7\n" == sandbox.run(SUM).stdout
    child.join(30)
    assert child.exitcode == 0 and sandbox.num_failures == 0


def test_a_killed_zygote_costs_one_retry(sandbox: Sandbox) -> None:
    sandbox.run(SUM)
    os.kill(sandbox._idle[0]._process.pid, signal.SIGKILL)
    assert sandbox.run(SUM).stdout == b"7\n"
    assert sandbox.num_failures == 1


def test_a_zygote_killed_in_a_run_costs_one_retry_and_no_neighbour(sandbox: Sandbox) -> None:
    sandbox.run(SUM)
    victim = sandbox._idle[0]._process.pid
    slow = Job(mode="script", program=b"import time; time.sleep(0.5); print(7)")
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(sandbox.run, slow), threads.submit(sandbox.run, slow)
        time.sleep(0.2)
        os.kill(victim, signal.SIGKILL)
        assert first.result(60).stdout == second.result(60).stdout == b"7\n"
    assert sandbox.num_failures == 1


def test_a_sandbox_that_never_works_fails_and_is_counted(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_interpreters", lambda: ["/bin/false"])
    with pytest.raises(SandboxError, match="/bin/false"):
        sandbox.run(SUM)
    assert sandbox.num_failures == 1


@pytest.mark.parametrize(
    ("code", "limits", "stopped"),
    [
        ("while True: pass", Limits(cpu_s=0.3), "time"),
        ("import time; time.sleep(60)", Limits(cpu_s=0.2), "time"),
        ("import time; time.sleep(60)", Limits(cpu_s=0.2, may_sleep=True), "time"),
        ("import os\nwhile True: os.write(1, b'x' * 65536)", Limits(output=1 << 20), "output"),
        ("x = b'x' * (40 << 20)", Limits(memory=20 << 20), "memory"),
    ],
)
def test_limits(sandbox: Sandbox, code: str, limits: Limits, stopped: str) -> None:
    began = time.monotonic()
    run = sandbox.run(Job(mode="script", program=code.encode()), limits)
    assert run.stopped == stopped
    assert len(run.stdout) <= limits.output
    assert time.monotonic() - began < limits.wall_s + 5


def test_who_may_sleep_is_given_the_wall_time_of_a_busy_run(sandbox: Sandbox) -> None:
    program = b"import time; time.sleep(2); print(7)"
    stopped = [
        sandbox.run(Job(mode="script", program=program), Limits(cpu_s=0.5, may_sleep=may)).stopped
        for may in (False, True)
    ]
    assert stopped == ["time", ""]


def test_output_before_a_limit_is_kept(sandbox: Sandbox) -> None:
    program = b"import time; print(7, flush=True); time.sleep(60)"
    run = sandbox.run(Job(mode="script", program=program), Limits(cpu_s=0.2))
    assert (run.stopped, run.stdout) == ("time", b"7\n")


def test_runs_are_repeatable(sandbox: Sandbox) -> None:
    """Random numbers and the order of sets are the same in every run, so verdicts are."""
    job = Job(mode="script", program=b"import random; print(random.random(), list({'a', 'b', 'c', 'd'}))")
    assert len({sandbox.run(job).stdout for _ in range(5)}) == 1


def test_files_and_arguments(sandbox: Sandbox) -> None:
    job = Job(
        mode="script",
        program=b"import sys; print(sys.argv[1:], open(sys.argv[1]).read())",
        arguments=["a"],
        files={"a": b"inside"},
    )
    assert sandbox.run(job).stdout == b"['a'] inside\n"


def test_the_caller_keeps_its_signal_handlers_and_descriptors(sandbox: Sandbox) -> None:
    sandbox.run(SUM)
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    descriptors = os.listdir("/proc/self/fd")
    for _ in range(20):
        sandbox.run(SUM)
    assert [signal.getsignal(number) for number in signal.valid_signals()] == handlers
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)


def test_what_the_caller_has_set_does_not_reach_a_run(sandbox: Sandbox) -> None:
    """A mask for new files, blocked or ignored signals: a zygote inherits them, and would fail runs by them."""
    code = (
        "import os, signal\nfrom stages.rewards.coding import grade\n"
        "os.umask(0o077)\nsignal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "task = {'type': 'stdin', 'cases': [{'input': '7', 'output': '7'}]}\n"
        "alarm = 'import signal; signal.signal(14, lambda *a: print(input())); signal.alarm(1); signal.pause()'\n"
        "print(grade(alarm, task).reason, grade('#include <stdio.h>\\nint main(){ puts(\"7\"); }', task, 'cpp').reason)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() in (["passed", "passed"], ["passed", "no_compiler"]), done


def test_a_killed_caller_leaves_nothing() -> None:
    code = (
        "import os, threading, time\nfrom stages.sandbox.shared import shared\nfrom stages.sandbox.pool import Job\n"
        "threading.Thread(target=shared().run, args=(Job(mode='script', program=b'while True: pass'),)).start()\n"
        "while not shared()._all: time.sleep(0.01)\n"
        "print(*(z._process.pid for z in shared()._all), flush=True)\ntime.sleep(60)\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    zygote = int(caller.stdout.readline())
    caller.kill()
    caller.wait()
    caller.stdout.close()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{zygote}") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{zygote}")


def test_without_isolation_only_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [probe.Found(tier="namespaces", works=False, detail="forbidden")]
    monkeypatch.setattr(probe, "strongest", lambda: broken)
    monkeypatch.delenv("R1_SANDBOX", raising=False)
    with pytest.raises(UserError, match="no sandbox .* namespaces: forbidden") as refused:
        probe.chosen()
    assert "R1_SANDBOX=none" in refused.value.hint
    monkeypatch.setenv("R1_SANDBOX", "bubble")
    with pytest.raises(UserError, match="none of auto, namespaces, landlock, none"):
        probe.chosen()
    monkeypatch.setenv("R1_SANDBOX", "none")
    assert probe.chosen() == "none"
    with pytest.warns(UserWarning, match="your rights"):
        open_air = Sandbox("none", size=1)
    assert open_air.run(SUM).stdout == b"7\n"
    open_air.close()


def test_the_canary_sees_the_holes_of_no_isolation() -> None:
    with pytest.warns(UserWarning):
        Sandbox("none")
    assert not probe.probe("none").works


def test_probe_prints_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stages.sandbox.probe"], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert {"tier", "works", "detail"} == set(json.loads(done.stdout)[0])
