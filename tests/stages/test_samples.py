"""Sampled pieces are kept, found again to the bit, and shared out among workers."""

from dataclasses import replace
from pathlib import Path

import pytest

from stages.assembly.progress import TENSORS
from stages.assembly.samples import Samples
from stages.contract.attempt import Attempt
from stages.contract.engine import Completion
from stages.contract.errors import StoppedError, UserError
from stages.contract.job import Paths
from stages.contract.pieces import WORKER
from tests.stages.stopping import EVERY_STEP, AskedAttempt, Notes


def _paths(tmp_path: Path, attempt: Attempt | None) -> Paths:
    return Paths(data=tmp_path, out=tmp_path, metrics=tmp_path / "m", plots=tmp_path, attempt=attempt)


GROUPS = [
    [Completion(tokens=[1, 2, 3], logps=[-0.1, -1e-9, -3.3], finished=True), Completion(tokens=[], logps=[], finished=False)],
    [Completion(tokens=[9], logps=[-1 / 3], finished=False), Completion(tokens=[4, 4], logps=[0.0, -7.7], finished=True)],
]  # fmt: skip


def test_samples_come_back_to_the_bit_and_are_counted(tmp_path: Path) -> None:
    attempt, report = Attempt(tmp_path / "steps", EVERY_STEP), Notes()
    pieces = {0: ["a", "b"], 2: ["c", "d"], 4: ["e"]}
    samples = Samples(_paths(tmp_path, attempt), "test problems", report)
    assert samples.found(pieces, draws=2) == {} and report.notes == []
    samples.put(0, ["a", "b"], GROUPS)
    samples.put(2, ["c", "d"], GROUPS)
    assert {number: read() for number, read in samples.found(pieces, draws=2).items()} == {0: GROUPS, 2: GROUPS}
    assert report.notes[-1].startswith("resumed with 4 of 5 prompts answered (saved ")
    assert report.notes[-1].endswith("rows skipped 0, duplicated 0")
    with pytest.raises(UserError, match="doesn't fit the data"):
        samples.found({0: ["a", "x"], 2: ["c", "d"]}, draws=2)
    assert report.notes[-1].endswith("rows skipped 1, duplicated 1")


def test_samples_without_log_probabilities_come_back_without(tmp_path: Path) -> None:
    samples = Samples(_paths(tmp_path, Attempt(tmp_path / "steps", EVERY_STEP)), "test problems", Notes())
    without = [[replace(completion, logps=[]) for completion in group] for group in GROUPS]
    samples.put(0, ["a", "b"], without)
    (read,) = samples.found({0: ["a", "b"]}, draws=2).values()
    assert read() == without


@pytest.mark.parametrize("ahead", [True, False])
def test_who_shares_pieces_knows_its_next_one_where_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    monkeypatch.setenv(WORKER, "0")
    attempt, calls = Attempt(tmp_path / "steps", EVERY_STEP), list[tuple[int, int | None]]()
    pieces = {0: ["a", "b"], 2: ["c", "d"], 4: ["e", "f"]}

    def sample(number: int, then: int | None) -> list[list[Completion]]:
        held = sorted(path.name for path in (tmp_path / "steps" / "x-pieces").iterdir())
        assert [name.partition(".")[0] for name in held if "." in name] == [
            str(n) for n in (number, then) if n is not None
        ]
        if then == 4 and not calls[1:]:
            calls.append((-1, None))
            raise RuntimeError("planted")
        calls.append((number, then))
        return GROUPS

    samples = Samples(_paths(tmp_path, attempt), "x", Notes())
    if ahead:
        with pytest.raises(RuntimeError, match="planted"):
            samples.share(pieces, sample, ahead=True)  # what it held is anybody's again
    samples.share(pieces, sample, ahead=ahead)
    wanted = [(0, 2), (-1, None), (2, 4), (4, None)] if ahead else [(0, None), (2, None), (4, None)]
    assert calls == wanted
    assert sorted(samples.found(pieces, draws=2)) == [0, 2, 4]
    assert not list((tmp_path / "steps" / "x-pieces").iterdir())


def test_asked_to_stop_the_piece_is_kept(tmp_path: Path) -> None:
    attempt = AskedAttempt(tmp_path / "steps", at=1)
    samples = Samples(_paths(tmp_path, attempt), "test problems", Notes())
    with pytest.raises(StoppedError), samples.under_way():
        samples.put(0, ["a", "b"], GROUPS)
    again = Samples(_paths(tmp_path, Attempt(tmp_path / "steps", EVERY_STEP)), "test problems", Notes())
    (read,) = again.found({0: ["a", "b"], 2: ["c"]}, draws=2).values()
    assert read() == GROUPS


def test_broken_samples_are_sampled_again(tmp_path: Path) -> None:
    attempt, report = Attempt(tmp_path / "steps", EVERY_STEP), Notes()
    samples = Samples(_paths(tmp_path, attempt), "test problems", report)
    samples.put(0, ["a", "b"], GROUPS)
    samples.put(2, ["c", "d"], GROUPS)
    (tmp_path / "steps" / "test-problems" / "2" / TENSORS).write_bytes(b"cut")
    found = samples.found({0: ["a", "b"], 2: ["c", "d"]}, draws=2)
    assert {number: read() for number, read in found.items()} == {0: GROUPS}
    assert report.notes[0] == "the answers saved from prompt 2 on are broken: they are sampled again"
    samples.put(2, ["c", "d"], GROUPS)  # its place is free


def test_without_an_attempt_nothing_is_written(tmp_path: Path) -> None:
    samples = Samples(_paths(tmp_path, None), "test problems", Notes())
    samples.put(0, ["a", "b"], GROUPS)
    assert samples.found({0: ["a", "b"]}, draws=2) == {} and list(tmp_path.iterdir()) == []
