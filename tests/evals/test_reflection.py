"""Reflective words: whole words in Latin script, substrings in Chinese."""

from stages.evals.reflection import PAPER, WORDS, count, rates


def test_counts_whole_words_in_any_case() -> None:
    found = count("Wait. WAIT! a waiter awaits; checked, check? 等等,检查检查")
    assert {word: n for word, n in found.items() if n} == {"wait": 2, "check": 1, "等等": 1, "检查": 2}
    assert set(found) == set(WORDS)


def test_words_touching_digits_and_chinese_count() -> None:
    assert count("3wait再check")["wait"] == 1
    assert count("3wait再check")["check"] == 1


def test_own_words_and_rates() -> None:
    assert count("hm, hmm", ("hm",)) == {"hm": 1}
    assert rates(["wait wait", "so", "wait", ""], ("wait",)) == {"wait": 0.75}
    assert rates([], PAPER)["wait"] == 0
