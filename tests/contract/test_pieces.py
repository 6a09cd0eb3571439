"""Pieces of work: each is taken by one of several processes, and one whose holder died is taken over."""

import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from stages.contract.pieces import Pieces


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def _take_all(folder: Path, count: int, mine: Path) -> None:
    pieces = Pieces(folder)
    pieces.offer(range(count))
    taken = []
    while (number := pieces.take()) is not None:
        with pieces.held(number):
            taken.append(number)
    mine.write_text(" ".join(map(str, taken)))


def test_every_piece_is_taken_once_whoever_comes(tmp_path: Path) -> None:
    start = multiprocessing.get_context("spawn")
    files = [tmp_path / f"{worker}.txt" for worker in range(4)]
    workers = [start.Process(target=_take_all, args=(tmp_path / "pieces", 200, file)) for file in files]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    taken = [int(number) for file in files for number in file.read_text().split()]
    assert sorted(taken) == list(range(200))
    assert not Pieces(tmp_path / "pieces").left()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["pieces"]


def test_a_dead_worker_s_piece_is_taken_over_at_once_on_its_machine_and_in_time_elsewhere(tmp_path: Path) -> None:
    clock = Clock()
    pieces = Pieces(tmp_path / "pieces", ttl_s=60.0, clock=clock)
    pieces.offer([0, 256, 512])
    host = os.uname().nodename
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "pieces" / "0").rename(tmp_path / "pieces" / f"0.{host}-{gone.pid}")
    elsewhere = tmp_path / "pieces" / "256.another-host-7"
    (tmp_path / "pieces" / "256").rename(elsewhere)
    assert pieces.take() == 0
    with pieces.held(0):
        pass
    assert pieces.take() == 512
    with pieces.held(512):
        clock.now = 50.0
        assert pieces.take() is None
        os.utime(elsewhere, (1.0, 1.0))  # a sign of life, whatever that machine's clock says
        clock.now = 70.0
        assert pieces.take() is None
        clock.now = 129.0
        assert pieces.take() is None
        clock.now = 131.0
        assert pieces.take() == 256
    assert pieces.left()


def test_what_failed_is_given_back_and_what_was_taken_over_is_not_its_former_holder_s_to_end(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path / "pieces")
    pieces.offer([3])
    pieces.offer([4])  # another worker was quicker
    assert pieces.take() == 3
    with pytest.raises(ValueError), pieces.held(3):
        raise ValueError
    assert (tmp_path / "pieces" / "3").exists()
    assert pieces.take() == 3
    with pieces.held(3):
        [held] = (tmp_path / "pieces").iterdir()
        other = held.rename(held.with_name("3.another-host-7"))
    assert other.exists() and pieces.left()
