"""Cards, configurations, licences; the Hub's cache layout; and a Hub that answers on this machine."""

from pathlib import Path

import polars as pl
import pytest

from stages.contract.errors import UserError
from stages.ingest.card import Card, chosen, read_card
from stages.ingest.files import Wanted, download
from tests import test_import_data
from tests.ingest.test_presets import run
from tests.test_import_data import COMMIT, hub

__all__ = ["hub"]

CARD = """\
---
license: mit
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: [main/test-*]
- config_name: socratic
  data_files:
  - split: train
    path: socratic/train-*
---
# A set
"""
ROW = '{"question": "%s", "answer": "#### 1"}\n'


def folder(top: Path, card: str = CARD) -> Path:
    for name in ("main/train-00000", "main/test-00000", "socratic/train-00000"):
        path = top / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ROW % name)
    (top / "README.md").write_text(card)
    return top


@pytest.mark.parametrize(
    ("config", "split", "prompts"),
    [
        ("main", "", ["main/test-00000", "main/train-00000"]),
        ("main", "train", ["main/train-00000"]),
        ("socratic", "train", ["socratic/train-00000"]),
    ],
)
def test_the_card_says_which_files_and_which_licence(
    tmp_path: Path, config: str, split: str, prompts: list[str]
) -> None:
    found = run(tmp_path, folder(tmp_path / "set"), config=config, split=split)
    assert found.tasks.sort("prompt")["prompt"].to_list() == prompts
    assert set(found.tasks["license"]) == {"mit"} and found.description["license"] == "mit"
    assert set(run(tmp_path / "v", tmp_path / "set", config=config, license="X").tasks["license"]) == {"X"}


def test_a_config_must_be_chosen_among_several(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has the configs main, socratic") as caught:
        run(tmp_path, folder(tmp_path / "set"))
    assert caught.value.hint == "--config main"
    with pytest.raises(UserError, match="has no config 'other'"):
        run(tmp_path, tmp_path / "set", config="other")
    with pytest.raises(UserError, match="holds no .* of config 'socratic' of split 'test'"):
        run(tmp_path, tmp_path / "set", config="socratic", split="test")


def test_without_a_card_words_of_the_path_choose(tmp_path: Path) -> None:
    found = run(tmp_path, folder(tmp_path / "set", "no front matter"), config="main", split="train")
    assert found.tasks["prompt"].to_list() == ["main/train-00000"]


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("# no front matter", Card(license="", configs={}, default="")),
        ("---\nlicense: [mit, apache-2.0]\n---\n", Card(license="mit, apache-2.0", configs={}, default="")),
        ("---\nlicense: other\nlicense_name: own\n---\n", Card(license="own", configs={}, default="")),
        ("---\nlicense: {a: b}\nconfigs: 5\n---\n", Card(license="", configs={}, default="")),
        ("---\n: : [\n---\n", Card(license="", configs={}, default="")),
        ("---\n- a\n---\n", Card(license="", configs={}, default="")),
        (
            "---\nconfigs:\n- config_name: a\n  data_files: x/*\n- config_name: b\n  default: true\n  data_files: [y/*, z/*]\n---\n",
            Card(license="", configs={"a": [("", "x/*")], "b": [("", "y/*"), ("", "z/*")]}, default="b"),
        ),
    ],
)
def test_cards(tmp_path: Path, text: str, card: Card) -> None:
    (tmp_path / "README.md").write_text(text)
    assert read_card(tmp_path / "README.md") == card


def test_a_default_config_is_taken() -> None:
    card = Card(license="", configs={"default": [("train", "data/*")], "all": [("train", "all/*")]}, default="default")
    assert chosen(["data/a.parquet", "all/a.parquet"], card, config="", split="train", label="x") == ["data/a.parquet"]


def test_where_a_card_tells_no_splits_apart_the_paths_do() -> None:
    card = Card(license="", configs={"a": [("", "x/*")], "b": [("", "y/*")]}, default="")
    names = ["x/train-0.parquet", "x/test-0.parquet", "y/train-0.parquet"]
    assert chosen(names, card, config="a", split="train", label="x") == ["x/train-0.parquet"]
    assert chosen(names, card, config="a", split="", label="x") == names[:2]


def test_a_snapshot_in_the_hubs_cache(tmp_path: Path) -> None:
    """Its files are links to blobs; the commit is the folder's name."""
    top = tmp_path / "datasets--owner--set"
    (top / "blobs").mkdir(parents=True)
    (top / "blobs" / "b1").write_text(ROW % "a")
    snapshot = top / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "train.jsonl").symlink_to("../../blobs/b1")
    for source, revision in ((snapshot, ""), (snapshot, COMMIT), (top, COMMIT)):
        found = run(tmp_path / "w", source, revision=revision)
        assert found.tasks.select("source", "revision").rows() == [("hub:owner/set", COMMIT)]
    with pytest.raises(UserError, match="needs a revision") as caught:
        run(tmp_path / "w", top)
    assert caught.value.hint == f"--revision {COMMIT}"
    with pytest.raises(UserError, match="lacks the revision 1"):
        run(tmp_path / "w", top, revision="1")
    with pytest.raises(UserError, match="is another revision than 1"):
        run(tmp_path / "w", snapshot, revision="1")


def test_a_hub_data_set_with_a_card(hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pl.DataFrame({"question": ["a"], "answer": ["#### 1"]}).write_parquet(tmp_path / "x.parquet")
    files = {
        "README.md": CARD.encode(),
        "main/train-00000.parquet": (tmp_path / "x.parquet").read_bytes(),
        "socratic/train-00000.jsonl": (ROW % "s").encode(),
    }
    monkeypatch.setattr(test_import_data, "FILES", files)
    found = run(tmp_path, "owner/set", revision=COMMIT, config="main", split="train")
    assert found.tasks.select("prompt", "source", "revision", "license").rows() == [
        ("a", "hub:owner/set", COMMIT, "mit")
    ]
    with pytest.raises(UserError, match="owner/set has the configs main, socratic"):
        run(tmp_path / "w", "owner/set", revision=COMMIT)


@pytest.mark.parametrize("revision", ["", "main"])
def test_what_isnt_pinned_is_refused_with_the_commit_that_it_is_now(hub: str, tmp_path: Path, revision: str) -> None:
    with pytest.raises(UserError, match="needs a pinned revision") as caught:
        download(Wanted(source="owner/set", revision=revision), tmp_path)
    assert caught.value.hint.startswith(f"r1 data import owner/set --revision {COMMIT}   (what main is now)")


def test_an_unknown_data_set_isnt_pinned_either(hub: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a pinned revision") as caught:
        download(Wanted(source="owner/nothing"), tmp_path)
    assert "copy the commit" in caught.value.hint
