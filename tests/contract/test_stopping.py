"""A wish to stop: the step ends, its state is committed, the process ends with the signal's code; in time, or at once."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A loop of steps that commits when it is asked to stop, and says what it does.
LOOP = """
import os, sys, time
from stages.contract.errors import StoppedError
from stages.contract.stopping import Stopping
stopping = Stopping()
def end(number):
    print("end", flush=True)
    os._exit(128 + number)
stopping.listen(grace_s={grace_s}, asked=lambda number: print("asked", flush=True), end=end)
try:
    with stopping.under_way():
        print("begun", flush=True)
        for step in range(1, 100):
            time.sleep({step_s})
            if stopping.number:
                print("committed", step, flush=True)
                stopping.committed()
    print("between", flush=True)
    time.sleep(30)
except StoppedError as error:
    sys.exit(128 + error.number)
"""


def start(*, step_s: float, grace_s: float = 20.0) -> subprocess.Popen[str]:
    code = LOOP.format(step_s=step_s, grace_s=grace_s)
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    _await(process, "begun")
    return process


def _await(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_step_is_ended_and_committed(number: signal.Signals) -> None:
    process = start(step_s=0.3)
    process.send_signal(number)
    said, _ = process.communicate(timeout=20)
    assert said.splitlines() == ["asked", "committed 1"] and process.returncode == 128 + number


def test_one_wish_that_arrives_three_times_is_one() -> None:
    process = start(step_s=0.6)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
        time.sleep(0.1)
    said, _ = process.communicate(timeout=20)
    assert said.splitlines() == ["asked", "committed 1"] and process.returncode == 128 + signal.SIGTERM


def test_a_second_wish_ends_at_once() -> None:
    process = start(step_s=30)
    process.send_signal(signal.SIGINT)
    _await(process, "asked")
    time.sleep(1.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=5)
    assert said.splitlines() == ["end"] and process.returncode == 128 + signal.SIGINT


def test_a_step_that_takes_too_long_is_ended_by_the_kernel() -> None:
    process = start(step_s=30, grace_s=0.5)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=5)
    assert said.splitlines() == ["asked"] and process.returncode == -signal.SIGALRM


def test_between_loops_nothing_is_waited_for() -> None:
    process = start(step_s=0.001)
    _await(process, "between")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=5)
    assert said.splitlines() == ["end"] and process.returncode == 128 + signal.SIGTERM


def test_nohup_means_it() -> None:
    code = LOOP.format(step_s=0.01, grace_s=5)
    process = subprocess.Popen(
        ["nohup", sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    _await(process, "begun")
    process.send_signal(signal.SIGHUP)
    _await(process, "between")
    process.kill()
    process.communicate()
