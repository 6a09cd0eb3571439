"""Checkpoints: what is written is read back, and what is broken is the user's to mend, never a traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stages.contract.errors import UserError
from stages.contract.params import Shape
from stages.model.checkpoint import load, load_decoder, new_decoder
from tests import tiny_model

FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model.save(tiny_model.decoder(key_value_heads=2), tmp_path / "data" / "zero" / "checkpoint")


def test_a_checkpoint_holds_exactly_its_files_and_comes_back(folder: Path, tmp_path: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == FILES
    made, (loaded, tokenizer) = tiny_model.decoder(key_value_heads=2), load(folder)
    assert loaded.config == made.config
    assert {k: v.tolist() for k, v in loaded.state_dict().items()} == {
        k: v.tolist() for k, v in made.state_dict().items()
    }
    again = tiny_model.save(loaded, tmp_path / "again")
    assert [(again / f).read_bytes() for f in FILES] == [(folder / f).read_bytes() for f in FILES]
    assert tokenizer.to_str() == tiny_model.tokenizer().to_str()


def test_labels_add_a_head_of_zeros_and_keep_a_stored_one(folder: Path, tmp_path: Path) -> None:
    fresh = load_decoder(folder, labels=1)
    assert fresh.score is not None and fresh.score.weight.tolist() == [[0.0] * 32]
    scorer = tiny_model.decoder(labels=1)
    stored = load_decoder(tiny_model.save(scorer, tmp_path / "helpful"), labels=1)
    assert stored.score is not None and scorer.score is not None
    torch.testing.assert_close(stored.score.weight, scorer.score.weight, rtol=0, atol=0)


def test_a_fresh_model_depends_on_the_seed_alone() -> None:
    shape = Shape(hidden=16, layers=2, heads=2, head_dim=8, feed_forward=24, rope_theta=100.0, max_positions=32)
    one, same, other = (new_decoder(shape, vocabulary=50, seed=s).model.embed_tokens.weight for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert 0.015 < float(one.detach().std()) < 0.025


def _truncate(name: str) -> Callable[[Path], None]:
    return lambda folder: _write(name, (folder / name).read_bytes()[:-40])(folder)


def _set(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_remove("model.safetensors"), "lacks model.safetensors"),
        (_remove("config.json"), "lacks config.json"),
        (_truncate("model.safetensors"), "is corrupt"),
        (_write("model.safetensors", b""), "is corrupt"),
        (_write("model.safetensors", b"\x80\x04pickled" * 9), "is corrupt"),
        (_truncate("config.json"), "is corrupt"),
        (_write("config.json", b"\xff\xfe"), "is corrupt"),
        (_write("config.json", b"[]"), "is corrupt"),
        (_set(hidden_size=64), "does not fit its config.json"),
        (_set(num_hidden_layers=3), "does not fit its config.json"),
        (_set(num_hidden_layers=1), "does not fit its config.json"),
        (_set(hidden_size="wide"), "lacks a number for hidden_size"),
        (_set(head_dim=None, rms_norm_eps=None), "lacks a number for head_dim, rms_norm_eps"),
        (_set(model_type="llama"), "has model_type 'llama'"),
        (_set(tie_word_embeddings=False), "untied embeddings"),
        (_set(rope_parameters={"rope_type": "yarn", "rope_theta": 1e4}), "scaled rotary positions"),
        (_set(use_sliding_window=True), "sliding windows"),
    ],
)  # fmt: skip
def test_a_broken_checkpoint_is_an_error_with_a_hint(folder: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(folder)
    with pytest.raises(UserError) as caught:
        load(folder)
    assert message in caught.value.message and "zero/checkpoint" in caught.value.message
    assert caught.value.hint in ("r1 run zero -f", "r1 profile use tiny")
