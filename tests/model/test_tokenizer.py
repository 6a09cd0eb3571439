"""The tokenizer: deterministic, digits and tags whole, the same to transformers as to us."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

from stages.contract.errors import UserError
from stages.contract.transcript import END, TAGS, render
from stages.model.tokenizer import TokenizerCodec, load_tokenizer, save_tokenizer, train_tokenizer
from tests import tiny_model

SAID = "<think>first 3*5+8 then 23所以等等</think><answer>x*2-5</answer>"


def test_training_is_deterministic() -> None:
    again = train_tokenizer(tiny_model.texts(), vocabulary=400)
    assert json.loads(again.to_str()) == json.loads(tiny_model.tokenizer().to_str())
    assert again.get_vocab_size() == 400


def test_another_corpus_gives_another_tokenizer() -> None:
    other = train_tokenizer(["zebra zebra zebra"], vocabulary=400)
    assert json.loads(other.to_str()) != json.loads(tiny_model.tokenizer().to_str())


def test_digits_and_signs_stand_alone() -> None:
    tokenizer = tiny_model.tokenizer()
    assert tokenizer.encode("907*31+x", add_special_tokens=False).tokens == ["9", "0", "7", "*", "3", "1", "+", "x"]


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_is_one_token_that_decoding_keeps(tag: str) -> None:
    tokenizer = tiny_model.tokenizer()
    ids = tokenizer.encode(f"5{tag}6", add_special_tokens=False).ids
    assert len(ids) == 3
    assert tokenizer.decode(ids, skip_special_tokens=True) == f"5{tag}6"


@pytest.mark.parametrize("text", [SAID, "wait  two blanks", "é ñ 😀", "\n\ttab", ""])
def test_every_text_survives(text: str) -> None:
    tokenizer = tiny_model.tokenizer()
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def test_transformers_reads_the_same(tmp_path: Path) -> None:
    save_tokenizer(tiny_model.tokenizer(), tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in (SAID, *tiny_model.texts()[:50]):
        assert theirs(text).input_ids == tiny_model.tokenizer().encode(text).ids
    assert theirs.decode(theirs(SAID).input_ids, skip_special_tokens=True) == SAID
    assert (theirs.eos_token, theirs.pad_token) == (END, "<|pad|>")
    assert theirs.eos_token_id == tiny_model.codec().end_id and theirs.pad_token_id == tiny_model.codec().pad_id


def test_the_chat_template_is_the_tiny_template(tmp_path: Path) -> None:
    save_tokenizer(tiny_model.tokenizer(), tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    question = {"role": "user", "content": "what is 2+3"}
    prompt = theirs.apply_chat_template([question], tokenize=False, add_generation_prompt=True)
    assert prompt == render("what is 2+3", "tiny")
    whole = theirs.apply_chat_template([question, {"role": "assistant", "content": SAID}], tokenize=False)
    codec = tiny_model.codec()
    assert theirs(whole).input_ids == codec.prompt("what is 2+3") + codec.response(SAID)


def test_the_codec_ends_a_response_and_leaves_the_end_out_of_the_text() -> None:
    codec = tiny_model.codec()
    assert codec.response(SAID)[-1] == codec.end_id
    assert codec.text(codec.response(SAID)) == SAID


def test_a_missing_or_broken_tokenizer_is_an_error_with_a_hint(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "base" / "checkpoint"
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match="tokenizer.json is missing") as caught:
        load_tokenizer(folder)
    assert caught.value.hint == "r1 run base -f"
    (folder / "tokenizer.json").write_text("{broken")
    with pytest.raises(UserError, match="is no tokenizer"):
        load_tokenizer(folder)


def test_a_stranger_s_tokenizer_is_refused() -> None:
    with pytest.raises(UserError, match=r"lacks <\|end\|>"):
        TokenizerCodec(Tokenizer(models.BPE()), template="tiny")
