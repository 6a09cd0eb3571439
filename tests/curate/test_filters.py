"""Filters, each with a row it drops and a near one that it keeps; and the sidecar that loses nothing."""

import polars as pl
import pytest

from stages.curate.filters import (
    bad_format,
    code_block,
    incorrect,
    keep,
    long_paragraph,
    mixed_language,
    repeated_share,
    repetition,
    too_long,
)

GOOD = "<think>first 3+4 then 7</think><answer>7</answer>"


@pytest.mark.parametrize(("verdict", "reason"), [("correct", None), ("wrong", "incorrect"), ("unknown", "incorrect")])
def test_incorrect(verdict: str, reason: str | None) -> None:
    assert incorrect({"verdict": verdict}) == reason


def test_bad_format() -> None:
    assert bad_format("tiny")({"response": GOOD}) is None
    assert bad_format("tiny")({"response": GOOD + " bye"}) == "bad_format"
    assert bad_format("chat")({"response": GOOD}) == "bad_format"  # the chat form has no answer tags


def test_repetition_counts_words_and_han_characters() -> None:
    drop = repetition(max_share=0.5, ngram=3)
    assert drop({"text": GOOD}) is None
    assert drop({"text": "wait then 3 " * 9}) == "repetition"
    assert drop({"text": "再等等" * 9}) == "repetition"
    assert drop({"text": "先算三加四再减一所以是六"}) is None
    assert repeated_share("a b a b a b", ngram=2) == pytest.approx(1 - 2 / 5)
    assert repeated_share("", ngram=1) == 0


def test_thresholds_keep_the_limit_itself() -> None:
    assert mixed_language(min_consistency=0.9)({"language_consistency": 0.9}) is None
    assert mixed_language(min_consistency=0.9)({"language_consistency": 0.89}) == "mixed_language"
    assert too_long(max_tokens=80)({"num_tokens": 80}) is None
    assert too_long(max_tokens=80)({"num_tokens": 81}) == "too_long"
    assert long_paragraph(max_characters=3)({"text": "<think>abc\n\n abc </think>"}) is None
    assert long_paragraph(max_characters=3)({"text": "<think>abc\nabc</think>"}) == "long_paragraph"


def test_a_missing_measure_is_an_error_and_no_pass() -> None:
    with pytest.raises(TypeError):
        mixed_language(min_consistency=0.9)({"language_consistency": None})
    with pytest.raises(KeyError):
        bad_format("tiny")({"prompt": "x"})


def test_code_blocks_count_in_the_thought_only() -> None:
    assert code_block({"text": "<think>so\n```\nx=1\n```</think><answer>1</answer>"}) == "code_block"
    assert code_block({"text": "<think>so</think><answer>```x=1```</answer>"}) is None


def test_keep_divides_without_loss_and_names_the_first_reason() -> None:
    frame = pl.DataFrame(
        {
            "completion": [GOOD, "7", GOOD, GOOD],
            "verdict": ["correct", "wrong", "unknown", "correct"],
            "num_tokens": [5, 500, 5, 500],
        }
    )
    curated = keep(frame, [incorrect, bad_format("tiny"), too_long(max_tokens=80)])
    assert curated.kept.equals(frame[:1])
    assert curated.rejected.get_column("r1_drop").to_list() == ["incorrect", "incorrect", "too_long"]
    assert curated.rejected.drop("r1_drop").equals(frame[1:])
    assert curated.reasons() == {"incorrect": 2, "too_long": 1}


def test_no_filter_keeps_all_and_the_sidecar_has_its_columns() -> None:
    curated = keep(pl.DataFrame({"text": ["a"]}), [])
    assert curated.kept.height == 1 and curated.rejected.columns == ["text", "r1_drop"]
    assert curated.rejected.schema["r1_drop"] == pl.String and curated.reasons() == {}
