"""Commits: whole or not at all, and a broken one is known for what it is."""

import errno
import os
from pathlib import Path

import pytest

from stages.contract.commits import MANIFEST, commit, keep_newest, newest, numbers, opened, write_json


def write(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"weights")
    write_json(folder / "b.json", {"loss": 0.1 + 0.2, "step": 3})


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    for number in (2, 4, 10):
        commit(tmp_path, number, write)
    return tmp_path


def test_a_commit_comes_back_as_it_was(parent: Path) -> None:
    found, broken = newest(parent)
    assert found is not None and (found.number, broken) == (10, [])
    assert (found.folder / "a.bin").read_bytes() == b"weights"
    assert found.read("b.json") == {"loss": 0.1 + 0.2, "step": 3}
    assert newest(parent / "none") == (None, [])


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "add", "manifest", "empty"])
def test_a_broken_commit_is_passed_over_removed_and_told(parent: Path, damage: str) -> None:
    file = parent / "10" / "a.bin"
    before = file.stat()
    if damage == "flip":
        file.write_bytes(b"weighty")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif damage == "cut":
        file.write_bytes(b"weigh")
    elif damage == "delete":
        file.unlink()
    elif damage == "add":
        (parent / "10" / "c.bin").write_bytes(b"")
    elif damage == "manifest":
        (parent / "10" / MANIFEST).write_text('{"number": 10, "fi')
    else:
        (parent / "10" / MANIFEST).unlink()
    found, broken = newest(parent)
    assert found is not None and (found.number, broken) == (4, [10])
    assert numbers(parent) == [2, 4]


def test_a_commit_under_another_number_is_not_taken(parent: Path) -> None:
    os.rename(parent / "10", parent / "12")
    assert opened(parent, 12) is None


def test_what_was_not_finished_is_no_commit(parent: Path) -> None:
    def stop(folder: Path) -> None:
        write(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        commit(parent, 11, stop)
    (parent / "11.part").mkdir()  # as a killed process leaves it
    (parent / "11.part" / "a.bin").write_bytes(b"half")
    assert numbers(parent) == [2, 4, 10]
    commit(parent, 11, write)
    assert numbers(parent) == [2, 4, 10, 11] and not (parent / "11.part").exists()


def test_a_full_disk_leaves_the_commits_before(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        commit(parent, 11, write)
    assert sorted(path.name for path in parent.iterdir()) == ["10", "2", "4"]


def test_everything_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(
        os, "fsync", lambda fd: (order.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name), fsync(fd))[1]
    )
    monkeypatch.setattr(os, "rename", lambda a, b: (order.append("rename"), rename(a, b))[1])
    commit(tmp_path, 7, write)
    assert sorted(order[:4]) == ["7.part", MANIFEST, "a.bin", "b.json"]
    assert order[4:] == ["rename", tmp_path.name]


def test_a_removed_folder_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        commit(tmp_path / "gone" / "grpo", 1, write)
    assert not (tmp_path / "gone").exists()


def test_the_newest_are_kept(parent: Path) -> None:
    keep_newest(parent, 2)
    assert numbers(parent) == [4, 10]
