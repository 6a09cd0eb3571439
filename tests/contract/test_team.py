"""A team's members work at once, on shares that don't depend on who is faster."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stages.contract.team import ALONE, Team, cores

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_results_come_in_the_items_order_whoever_is_faster(size: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0.0)
        return item * item

    assert Team(size).map(slow_first, range(7)) == [i * i for i in range(7)]


def test_members_work_at_the_same_time_each_on_its_own_thread() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet(member: int) -> tuple[int, int]:
        meeting.wait()  # passes only if all three are here at once
        return member, threading.get_ident()

    found = Team(3).each(meet)
    assert [member for member, _ in found] == [0, 1, 2]
    assert len({thread for _, thread in found}) == 3 and found[0][1] == threading.get_ident()


def test_shares_are_fixed_and_cover_every_item_once() -> None:
    team = Team(3)
    assert [list(team.share(range(8), member)) for member in range(3)] == [[0, 3, 6], [1, 4, 7], [2, 5]]
    assert [list(team.share([1], member)) for member in range(3)] == [[1], [], []]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_is_raised_after_every_member_has_ended(failing: int) -> None:
    ended: list[int] = []

    def work(member: int) -> None:
        if member == failing:
            raise ValueError(f"member {member}")
        time.sleep(0.05)
        ended.append(member)

    with pytest.raises(ValueError, match=f"member {failing}"):
        Team(2).each(work)
    assert ended == [1 - failing]


def test_alone_starts_no_thread() -> None:
    before = threading.active_count()
    assert ALONE.map(lambda x: x + 1, [1, 2]) == [2, 3] and threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux can narrow it")
def test_cores_are_those_that_the_process_was_given() -> None:
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{one}}}); from stages.contract.team import cores; print(cores())"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == "1\n" and cores() == len(os.sched_getaffinity(0))
