"""Deduplication and decontamination: what must be caught however it is spelled, and what must not."""

import polars as pl
import pytest

from stages.curate.decontaminate import decontaminate, hold_out
from stages.curate.dedup import deduplicate
from stages.curate.outcome import then

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
        (LONG.replace(" ", "  ").replace(".", " !"), "held_out_ngram"),
        (LONG.replace("integers", "in\u200btegers").replace("such", "ｓｕｃｈ"), "held_out_ngram"),  # unseen, and wide
        ("Here is one: " + LONG + " Good luck.", "held_out_ngram"),
        ("Compute, please:  2+2", "held_out_ngram"),  # a short problem, equal as a whole
        ("Now: compute please 2 + 2, and think.", "held_out_ngram"),  # and within a longer text
        (LONG.replace("1000", "700").replace("3", "11").replace("[1,", "[5, "), "held_out_template"),
        (LONG.replace("1,1000", "three, seven").replace(r"\frac{n}{3}", "n/9"), "held_out_template"),
        ("Today find the number of primes $q$ in the interval $[2,50]$ such that $q$ is a perfect square.", ""),
        ("Please find the number of even integers $n$ in the interval $[2,50]$ such that $n/5$ is a square.", "held_out_near"),
    ],
)  # fmt: skip
def test_catches(prompt: str, reason: str) -> None:
    held_out = hold_out(rows([LONG, "Compute please 2 + 2"], name="h"))
    assert decontaminate(rows([prompt]), held_out).reasons() == ({reason: 1} if reason else {})


@pytest.mark.parametrize(
    "prompt", ["Compute please 2+3", "Find the number of integers n in the interval", "", "Compute", "?!", "Find 2 - 2"]
)
def test_keeps(prompt: str) -> None:
    held_out = hold_out(rows([LONG, "Compute please 2+2", "", "Find"], name="h"))
    assert decontaminate(rows([prompt]), held_out).kept.height == 1


def test_problems_of_a_generator_may_be_alike() -> None:
    held_out = hold_out(rows([LONG, LONG.replace("perfect", "whole")], name="h"), alike=[False, True])
    renumbered = [LONG.replace("3", "4"), LONG.replace("perfect", "whole").replace("3", "4")]
    renumbered = [text.replace("1,1000", "7,6").replace("number of integers", "integer numbers") for text in renumbered]
    curated = decontaminate(rows(renumbered), held_out)
    assert curated.rejected.get_column("r1_drop").to_list() == ["held_out_near:h1"] * 2


def test_a_held_out_problem_may_not_be_a_state_of_a_solution() -> None:
    held_out = hold_out(rows(["what is 15+8-2"], [["problem", "result"]], name="h"))
    curated = decontaminate(rows(["a", "b", "c"], [["s0", "problem"], ["s0", "result"], []]), held_out)
    assert curated.kept.get_column("prompt").to_list() == ["b", "c"]  # sharing a mere result is no leak
    assert curated.rejected.get_column("r1_drop").to_list() == ["held_out_state:h0"]


def test_no_ngrams_on_request() -> None:
    held_out = hold_out(rows([LONG], name="h"), ngram=0, alike=[False])
    assert decontaminate(rows(["So: " + LONG]), held_out).kept.height == 1
    assert decontaminate(rows([LONG]), held_out).kept.height == 0


def test_nothing_is_held_out_by_nothing() -> None:
    assert decontaminate(rows([LONG, ""]), hold_out(rows([]))).kept.height == 2


def test_other_columns_and_frames_without_states() -> None:
    frame = pl.DataFrame({"r1_id": ["a"], "text": [f"Q: {LONG}"]})
    assert decontaminate(frame, hold_out(rows([LONG], name="h")), column="text").rejected.height == 1


def test_steps_join_without_loss() -> None:
    frame = rows(["a", "a", LONG])
    first = deduplicate(frame)
    both = then(first, decontaminate(first.kept, hold_out(rows([LONG], name="h"))))
    assert (both.kept.height, both.reasons()) == (1, {"duplicate": 1, "held_out_text": 1})
