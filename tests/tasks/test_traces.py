"""The world's authors, and the refiner that puts a thought into one language."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract.transcript import split
from stages.rewards.language import consistency
from stages.tasks.problems import draw, states_in
from stages.tasks.traces import CONNECTIVES, HABITS, translated, write
from tests.tiny_model import WORLD

PIECES = [*CONNECTIVES, *CONNECTIVES.values(), "3*5+8", "2 34", "x*2-5", "16?21", "7"]


@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=8),
    blanks=st.lists(st.sampled_from(["", " "]), min_size=9, max_size=9),
)
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_translation_is_of_one_language_and_of_one_sort(language: str, pieces: list[str], blanks: list[str]) -> None:
    """Words run together (`sofirst`) are no words of the world's, so English neighbours keep their blank."""
    text = ""
    for piece, blank in zip(pieces, blanks, strict=False):
        needed = text[-1:].isalpha() and text[-1:].isascii() and piece[0].isalpha() and piece[0].isascii()
        text += (" " if needed else blank) + piece
    once = translated(text, language)
    assert consistency(once, language) == 1.0, (text, once)
    assert translated(once, language) == once
    assert [c for c in once if c in "0123456789*+-?"] == [c for c in text if c in "0123456789*+-?"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_translation_keeps_the_states_of_what_the_authors_write(language: str) -> None:
    rng = random.Random(5)
    for _ in range(300):
        problem = draw(rng, families=WORLD.families, difficulties=[2, 3, 4], chinese=0.5)
        form, text = write(rng, problem)
        thought = split(text).thought
        if not thought:
            continue
        once = translated(thought, language)
        assert consistency(once, language) == 1.0 and translated(once, language) == once
        assert states_in(once) == states_in(thought)


def test_the_forms_have_their_shares_and_their_tags() -> None:
    rng, forms, mixed, mended = random.Random(2), Counter[str](), 0, 0
    for _ in range(3000):
        problem = draw(rng, families=WORLD.families, difficulties=[3], chinese=0.3)
        form, text = write(rng, problem)
        forms[form] += 1
        assert split(text).well_formed == (form not in ("bare", "tagged"))
        mixed += consistency(split(text).thought, problem.language) < 1
        mended += "check" in text or "检查" in text
    for name, count in forms.items():
        assert count / 3000 == pytest.approx(getattr(HABITS, name), abs=0.03)
    assert sum(forms.values()) == 3000 and mixed > 100 and mended > 50
