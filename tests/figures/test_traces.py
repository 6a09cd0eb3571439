"""Highlighting: nothing is lost, nothing gets in."""

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from stages.figures.traces import Words, highlighted

WORDS = Words(reflective=("wait", "check", "等等"), connectives=("first", "so", "先", "等等", "wait"))
TEXTS = st.lists(
    st.sampled_from(
        ["wait", "Wait", "waiter", "等等", "先", "so", "<think>", "<b>", "&", " ", "\"'", "3*5", "</script>"]
    )
).map("".join)


@given(TEXTS)
def test_the_text_is_kept_and_escaped(text: str) -> None:
    marked = str(highlighted(text, WORDS))
    bare = re.sub(r'</?(?:i|b|mark)(?: class="(?:en|zh)")?>', "", marked)
    assert "<" not in bare and html.unescape(bare) == text


def test_reflective_words_are_marked_and_others_tinted() -> None:
    assert str(highlighted("Wait so 先等等 waiter", WORDS)) == (
        '<mark class="en">Wait</mark> <b class="en">so</b> <b class="zh">先</b><mark class="zh">等等</mark> waiter'
    )
