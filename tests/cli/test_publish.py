"""Publishing: exact files, no second copy, nothing half written."""

import errno
import os
from pathlib import Path

import pytest

from r1cli.publish import link_file, link_tree


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("new a")
    (folder / "deep" / "b.txt").write_text("new b")
    return folder


def fail(number: int):  # type: ignore[no-untyped-def]
    def link(*names: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return link


def test_target_holds_exactly_the_sources_files_as_links(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "data" / "out"
    (target / "old" / "er").mkdir(parents=True)
    (target / "old" / "er" / "gone.txt").write_text("gone")
    (target / "a.txt").write_text("old a")
    link_tree(source, target)
    link_tree(source, target)
    assert {str(p.relative_to(target)): p.read_text() for p in target.rglob("*") if p.is_file()} == {
        "a.txt": "new a",
        "deep/b.txt": "new b",
    }
    assert (target / "a.txt").samefile(source / "a.txt")
    assert sorted(path.name for path in target.iterdir()) == ["a.txt", "deep"]


def test_copies_where_links_are_not_possible(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", fail(errno.EXDEV))
    link_file(source / "a.txt", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "new a"
    assert not (tmp_path / "a.txt").samefile(source / "a.txt")


def test_a_full_disk_leaves_what_was_there(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old a")
    monkeypatch.setattr(os, "link", fail(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        link_file(source / "a.txt", target)
    assert target.read_text() == "old a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "work"]
