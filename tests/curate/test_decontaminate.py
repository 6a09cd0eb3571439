"""Deduplication and decontamination: what must be caught however it is spelled, and what must not."""

import polars as pl
import pytest

from stages.curate.decontaminate import decontaminate, hold_out, template_matches
from stages.curate.dedup import deduplicate
from stages.curate.outcome import then
from stages.curate.words import tokens

LONG = r"Find the number of integers $n$ in the interval $[1,1000]$ such that $\frac{n}{3}$ is a perfect square."


def rows(prompts: list[str], states: list[list[str]] | None = None, *, name: str = "t") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "r1_id": [f"{name}{i}" for i in range(len(prompts))],
            "prompt": prompts,
            "states": states or [[] for _ in prompts],
        },
        schema={"r1_id": pl.String, "prompt": pl.String, "states": pl.List(pl.String)},
    )


def test_duplicates_name_the_row_that_stays() -> None:
    frame = rows(["How many eggs?", "how  many EGGS? ", "how many", "How many eggs?"])
    curated = deduplicate(frame)
    assert curated.kept.get_column("r1_id").to_list() == ["t0", "t2"]
    assert curated.rejected.get_column("r1_drop").to_list() == ["duplicate:t0", "duplicate:t0"]
    assert curated.reasons() == {"duplicate": 2}


@pytest.mark.parametrize(("a", "b"), [("what is x²", "what is x2"), ("3*5+8", "3*5-8"), ("f(2)=6", "f(2)=7")])
def test_different_problems_are_no_duplicates(a: str, b: str) -> None:
    assert deduplicate(rows([a, b])).kept.height == 2


def test_duplicates_by_several_columns() -> None:
    frame = rows(["a", "a", "a"]).with_columns(answer=pl.Series(["1", "2", "1"]))
    assert deduplicate(frame, by=("prompt", "answer")).kept.height == 2


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        (LONG, "held_out_text"),
        (LONG.upper().replace(r"\FRAC", r"\frac"), "held_out_text"),
        (LONG.replace("[1,1000]", r"\left[ 1, 1{,}000 \right]"), "held_out_ngram"),
        (LONG.replace(r"\frac", r"\dfrac").replace("$", ""), "held_out_ngram"),
        ("Here is one: " + LONG + " Good luck.", "held_out_ngram"),
        ("Compute, please:  2+2", "held_out_ngram"),  # a short problem, equal as a whole
    ],
)
def test_catches(prompt: str, reason: str) -> None:
    held_out = hold_out(rows([LONG, "Compute please 2 + 2"], name="h"))
    assert decontaminate(rows([prompt]), held_out).reasons() == {reason: 1}


@pytest.mark.parametrize(
    "prompt", ["Compute please 2+3", "Find the number of integers n in the interval", "", "Compute"]
)
def test_keeps(prompt: str) -> None:
    held_out = hold_out(rows([LONG, "Compute please 2+2"], name="h"))
    assert decontaminate(rows([prompt]), held_out).kept.height == 1


def test_a_held_out_problem_may_not_be_a_state_of_a_solution() -> None:
    held_out = hold_out(rows(["what is 15+8-2"], [["problem", "result"]], name="h"))
    curated = decontaminate(rows(["a", "b", "c"], [["s0", "problem"], ["s0", "result"], []]), held_out)
    assert curated.kept.get_column("prompt").to_list() == ["b", "c"]  # sharing a mere result is no leak
    assert curated.rejected.get_column("r1_drop").to_list() == ["held_out_state:h0"]


def test_no_ngrams_on_request() -> None:
    held_out = hold_out(rows([LONG], name="h"), ngram=0)
    assert decontaminate(rows(["So: " + LONG]), held_out).kept.height == 1
    assert decontaminate(rows([LONG]), held_out).kept.height == 0


def test_other_columns_and_frames_without_states() -> None:
    frame = pl.DataFrame({"r1_id": ["a"], "text": [f"Q: {LONG}"]})
    assert decontaminate(frame, hold_out(rows([LONG], name="h")), column="text").rejected.height == 1


def test_template_matches_are_reported_apart() -> None:
    held_out = rows(["Ann has 5 apples, gets 7 more and loses 3.", "what is 2+3"], name="h")
    frame = rows(
        ["Ann has 12 apples, gets 1,000 more and loses 4", "what is 4+5", "Bob has 5 apples, gets 7 more and loses 3"]
    )
    assert template_matches(frame, held_out).rows() == [("t0", "h0")]


def test_steps_join_without_loss() -> None:
    frame = rows(["a", "a", LONG])
    first = deduplicate(frame)
    both = then(first, decontaminate(first.kept, hold_out(rows([LONG], name="h"))))
    assert (both.kept.height, both.reasons()) == (1, {"duplicate": 1, "held_out_text": 1})


def test_tokens() -> None:
    assert tokens(r"共有 $3\times 4$ 个, 即 12−1") == ["共", "有", "3", "*", "4", "个", "即", "12", "-", "1"]
