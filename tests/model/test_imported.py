"""Importing a base model: safetensors only, pinned, and nothing else comes along."""

from pathlib import Path

import huggingface_hub
import pytest

from stages.contract.errors import UserError
from stages.model.checkpoint import load
from stages.model.imported import import_checkpoint
from tests import tiny_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tiny_model.save(tiny_model.decoder(), tmp_path / "source")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "modeling_custom.py").write_text("raise SystemExit")
    return folder


def test_a_local_folder_is_copied_without_pickles_or_code(source: Path, tmp_path: Path) -> None:
    import_checkpoint(str(source), "", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    load(tmp_path / "out")


def test_pickled_weights_alone_are_refused(source: Path, tmp_path: Path) -> None:
    (source / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"only pickled weights \(pytorch_model.bin\), which r1 never loads") as caught:
        import_checkpoint(str(source), "", tmp_path / "out")
    assert "safetensors" in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", None, "lacks tokenizer.json"),
        ("config.json", None, "lacks config.json"),
        ("config.json", "{", "no JSON"),
    ],
)
def test_an_incomplete_folder_is_refused(
    source: Path, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is None:
        (source / name).unlink()
    else:
        (source / name).write_text(content)
    with pytest.raises(UserError, match=message):
        import_checkpoint(str(source), "", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_has_no_weights(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no weights"):
        import_checkpoint(str(tmp_path / "empty"), "", tmp_path / "out")


@pytest.mark.parametrize("revision", ["", "main", COMMIT[:39], COMMIT.upper()])
def test_a_hub_id_needs_a_commit(tmp_path: Path, revision: str) -> None:
    with pytest.raises(UserError, match="pinned revision"):
        import_checkpoint("someone/model", revision, tmp_path / "out")


def test_the_hub_is_asked_for_that_commit_and_for_no_pickle(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, str] = {}
    patterns: list[str] = []

    def stand_in(name: str, *, revision: str, allow_patterns: list[str]) -> str:
        asked.update(name=name, revision=revision)
        patterns.extend(allow_patterns)
        return str(source)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", stand_in)
    import_checkpoint("someone/model", COMMIT, tmp_path / "out")
    assert (asked["name"], asked["revision"]) == ("someone/model", COMMIT)
    assert "*.safetensors" in patterns and not any(p.endswith((".bin", ".pt", ".py")) for p in patterns)
    load(tmp_path / "out")


@pytest.mark.parametrize(
    "failure",
    [
        huggingface_hub.errors.HTTPError("no route"),
        OSError("disk"),
        ValueError("bad id"),
        huggingface_hub.errors.LocalEntryNotFoundError("offline"),
    ],
)
def test_a_hub_that_fails_is_an_error_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def stand_in(name: str, **settings: object) -> str:
        raise failure

    monkeypatch.setattr(huggingface_hub, "snapshot_download", stand_in)
    with pytest.raises(UserError, match=f"the Hub did not give someone/model@{COMMIT[:12]}") as caught:
        import_checkpoint("someone/model", COMMIT, tmp_path / "out")
    assert caught.value.hint
    assert not (tmp_path / "out").exists()
