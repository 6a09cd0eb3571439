"""Filters, each with a row it drops and a near one that it keeps; and the sidecar that loses nothing."""

import polars as pl
import pytest

from stages.curate.filters import (
    Filter,
    Rows,
    bad_format,
    code_block,
    held_out_state,
    incorrect,
    keep,
    long_paragraph,
    mixed_language,
    repetition,
    too_long,
    too_short,
    truncated,
)
from stages.curate.words import fold, grams, words

GOOD = "<think>first 3+4 then 7</think><answer>7</answer>"


def drops(rule: Filter, *values: object, column: str = "response") -> list[bool]:
    return rule.drops(Rows(pl.DataFrame({column: values}))).to_list()


def repeated_share(text: str, *, ngram: int = 4) -> float:
    return float(grams(words(fold(pl.Series([text]))), ngram).repeated_share()[0])


def test_incorrect() -> None:
    assert drops(incorrect(), "correct", "wrong", "unknown", None, column="verdict") == [False, True, True, True]


def test_truncated() -> None:
    assert drops(truncated(), GOOD, "<think>first 3+4 th", "7") == [False, True, False]


def test_bad_format() -> None:
    assert drops(bad_format("tiny"), GOOD, GOOD + " bye") == [False, True]
    assert drops(bad_format("chat"), GOOD) == [True]  # the chat form has no answer tags


def test_repetition_counts_words_and_han_characters() -> None:
    rule = repetition(max_share=0.5, ngram=3)
    texts = (GOOD, "wait then 3 " * 9, "再等等" * 9, "先算三加四再减一所以是六")
    assert drops(rule, *texts, column="text") == [False, True, True, False]
    assert repeated_share("a b a b a b", ngram=2) == pytest.approx(1 - 2 / 5)
    assert repeated_share("a b c d a b c d a b c d") == 0.5555555555555556
    assert repeated_share("", ngram=1) == repeated_share("a b") == repeated_share("a b c d e") == 0


def test_thresholds_keep_the_limit_itself() -> None:
    assert drops(mixed_language(min_consistency=0.9), 0.9, 0.89, column="language_consistency") == [False, True]
    assert drops(too_long(max_tokens=80), 80, 81, column="num_tokens") == [False, True]
    assert drops(too_short(min_words=3), "a b 7", "a + b") == [False, False]
    assert drops(too_short(min_words=4), "a b 7") == [True]
    paragraphs = ("<think>abc\n\n abc </think>", "<think>abc\r\n\r\nabc", "<think>abc\nabc</think>", "abcdefgh")
    assert drops(long_paragraph(max_characters=3), *paragraphs) == [False, False, True, False]


def test_a_missing_measure_is_an_error_and_no_pass() -> None:
    with pytest.raises(TypeError, match="mixed_language"):
        keep(pl.DataFrame({"language_consistency": [None, 0.5]}), [mixed_language(min_consistency=0.9)])
    with pytest.raises(KeyError):
        keep(pl.DataFrame({"prompt": ["x"]}), [bad_format("tiny")])


def test_code_blocks_count_in_the_thought_only() -> None:
    inside, behind = "<think>so\n```\nx=1\n```</think><answer>1</answer>", "<think>so</think><answer>```x=1```</answer>"
    assert drops(code_block(), inside, inside.replace("```", "~~~"), behind) == [True, True, False]


def test_rows_on_held_out_problems() -> None:
    assert drops(held_out_state(), True, False, column="held_out") == [True, False]


def test_keep_divides_without_loss_and_names_the_first_reason() -> None:
    frame = pl.DataFrame(
        {
            "completion": [GOOD, "7", GOOD, GOOD],
            "verdict": ["correct", "wrong", "unknown", "correct"],
            "num_tokens": [5, 500, 5, 500],
        }
    )
    curated = keep(frame, [incorrect(), bad_format("tiny"), repetition(max_share=0.9), too_long(max_tokens=80)])
    assert curated.kept.equals(frame[:1])
    assert curated.rejected.get_column("r1_drop").to_list() == ["incorrect", "incorrect", "too_long"]
    assert curated.rejected.drop("r1_drop").equals(frame[1:])
    assert curated.reasons() == {"incorrect": 2, "too_long": 1}


def test_words_are_cut_once_and_stay_with_their_rows() -> None:
    frame = pl.DataFrame({"text": ["a b c d " * 9, "a b c", "e f g h " * 9]})
    rules = [too_short(min_words=4), repetition(max_share=0.5)]
    assert keep(frame, rules).rejected.get_column("r1_drop").to_list() == ["repetition", "too_short", "repetition"]


def test_no_filter_keeps_all_and_the_sidecar_has_its_columns() -> None:
    curated = keep(pl.DataFrame({"text": ["a"]}), [])
    assert curated.kept.height == 1 and curated.rejected.columns == ["text", "r1_drop"]
    assert curated.rejected.schema["r1_drop"] == pl.String and curated.reasons() == {}
