"""Never two writers in one work folder."""

import dataclasses
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from r1cli.dispatch import lease
from r1cli.dispatch.lease import HeldError, Holder, current, held

TTL_S = 0.6
HERE = Holder(host="a", process=1)
JOB = Holder(host="b", process=2, job="7")


def never() -> None:
    raise AssertionError("the lease was lost")


def silent(folder: Path, holder: Holder) -> None:
    """A holder that was killed: it never gave its lease back."""
    folder.mkdir(parents=True, exist_ok=True)
    assert lease._take(folder, lease._highest(folder) + 1, holder)


def test_a_lease_that_was_given_back_is_free_at_once(tmp_path: Path) -> None:
    for holder in (HERE, JOB):
        with held(tmp_path / "lease", holder, lost=never, ttl_s=60.0):
            found = current(tmp_path / "lease")
            assert found is not None and found.process == holder.process
        assert current(tmp_path / "lease") is None


def test_a_living_holder_is_not_overtaken(tmp_path: Path) -> None:
    with held(tmp_path, HERE, lost=never, ttl_s=TTL_S):
        time.sleep(2 * TTL_S)
        with pytest.raises(HeldError, match="process 1 on a"), held(tmp_path, JOB, lost=never, ttl_s=TTL_S):
            pass


def test_a_silent_holder_is_overtaken_after_a_while(tmp_path: Path) -> None:
    silent(tmp_path, HERE)
    began = time.monotonic()
    with held(tmp_path, JOB, lost=never, ttl_s=TTL_S):
        assert TTL_S <= time.monotonic() - began < 10 * TTL_S


def test_one_that_is_known_to_be_gone_is_not_waited_for(tmp_path: Path) -> None:
    silent(tmp_path, HERE)
    with held(tmp_path, JOB, lost=never, gone=lambda other: other.host == "a", ttl_s=60.0):
        pass


def test_a_patient_claimant_waits_and_says_so_once(tmp_path: Path) -> None:
    told: list[Holder] = []
    entered = threading.Event()

    def first() -> None:
        with held(tmp_path, HERE, lost=never, ttl_s=TTL_S):
            entered.set()
            time.sleep(2 * TTL_S)

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with held(tmp_path, JOB, lost=never, wait=told.append, ttl_s=TTL_S):
        assert not thread.is_alive() or current(tmp_path) is not None
        assert [other.process for other in told] == [1]
    thread.join()


def test_a_later_attempt_of_a_job_overtakes_and_waits_for_the_earlier_to_end(tmp_path: Path) -> None:
    entered = threading.Event()
    lost_at: list[float] = []
    ended_at: list[float] = []
    lost = threading.Event()

    def note() -> None:
        lost_at.append(time.monotonic())
        lost.set()

    def earlier() -> None:
        with held(tmp_path, JOB, lost=note, ttl_s=TTL_S):
            entered.set()
            lost.wait()
            time.sleep(TTL_S / 3)  # what it ran takes a moment to die
            ended_at.append(time.monotonic())

    thread = threading.Thread(target=earlier)
    thread.start()
    entered.wait()
    with held(tmp_path, dataclasses.replace(JOB, process=3, attempt=1), lost=never, ttl_s=TTL_S):
        began = time.monotonic()
        assert lost_at and ended_at and began >= ended_at[0]
        time.sleep(2 * TTL_S)
        found = current(tmp_path)
        assert found is not None and found.attempt == 1
    thread.join()


def test_of_many_claimants_one_holds_at_a_time(tmp_path: Path) -> None:
    silent(tmp_path, HERE)
    inside: list[int] = []
    most: list[int] = []

    def claim(number: int) -> None:
        with held(
            tmp_path, Holder(host=f"h{number}", process=number, job=str(number)), lost=never, wait=print, ttl_s=TTL_S
        ):
            inside.append(number)
            most.append(len(inside))
            time.sleep(TTL_S / 4)
            inside.remove(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


def test_a_holder_that_cannot_renew_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = threading.Event()

    def broken(*arguments: object) -> None:
        raise OSError("away")

    with held(tmp_path, HERE, lost=lost.set, ttl_s=TTL_S):
        monkeypatch.setattr(lease, "_write", broken)
        assert lost.wait(4 * TTL_S)
        monkeypatch.undo()


def test_a_removed_folder_ends_the_lease(tmp_path: Path) -> None:
    lost = threading.Event()
    with held(tmp_path / "lease", HERE, lost=lost.set, ttl_s=TTL_S):
        (tmp_path / "lease").rename(tmp_path / "elsewhere")
        assert lost.wait(4 * TTL_S)
    assert not (tmp_path / "lease").exists()


def test_a_lease_is_living_until_given_back_or_long_silent(tmp_path: Path) -> None:
    folder = tmp_path / "lease"
    assert not lease.living(folder)
    with held(folder, JOB, lost=never):
        assert lease.living(folder)
    assert not lease.living(folder)
    silent(folder, JOB)
    newest = folder / str(lease._highest(folder))
    assert lease.living(folder)
    then = newest.stat().st_mtime - lease.DEAD_S - 1
    os.utime(newest, (then, then))
    assert not lease.living(folder) and not list(folder.glob(".now-*"))


def test_a_process_of_this_machine_is_not_asked_by_its_lease(tmp_path: Path) -> None:
    silent(tmp_path, dataclasses.replace(HERE, host=socket.gethostname()))
    assert not lease.living(tmp_path)
