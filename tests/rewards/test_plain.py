"""The fast path: tables of equal and unequal pairs of numbers and words, and properties."""

import json
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.rewards.extraction import MAX_ANSWER
from stages.rewards.maths import judge
from stages.rewards.plain import MAX_DIGITS, balanced, read

DATASETS = Path(__file__).parents[3] / "shared" / "datasets"


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "5"), ("5", " 5 "), ("5", "5."), ("5", "+5"), ("5", "$5$"), ("5", r"\(5\)"), ("5", "5.0"), ("5", "{5}"),
        ("5", "005"), ("5", "５"), ("025", "25"), ("25", "025"), ("0", "-0"), ("5", r"\text{5}"),
        ("-3", "−3"), ("-3", "- 3"), ("-3", r"-\$3"), ("18", "$18"), ("18", r"\$18.00"),
        ("1,080", "1080"), ("1080", "1,080"), ("1080", "1{,}080"), ("1080", r"1,\!080"), ("1080", r"1\,080"),
        ("1080", "1\u202f080"), ("109,200,000", "109200000"), ("1234567", r"1\,234\,567"), ("1080.5", "1,080.50"),
        ("1/2", "0.5"), ("1/2", ".5"), ("1/2", "2/4"), ("1/2", r"\frac{1}{2}"), ("1/2", r"\dfrac{1}{2}"),
        ("1/2", r"\tfrac12"), ("1/2", r"\frac1{2}"), ("-1/2", r"\frac{-1}{2}"), ("-1/2", r"-\frac{1}{2}"),
        ("-1/2", r"\frac{1}{-2}"), ("1/2", "50%"), ("1/2", r"50\%"), ("10%", "0.1"), ("12.5%", r"\frac18"),
        ("0.1", "1/10"), ("0.30", "0.3"), ("1/3", r"\frac{2}{6}"),
        ("12", r"12\text{ cm}"), ("12", r"12 \mathrm{cm}^2"), ("12 \\text{ cm}", r"12\,\text{cm}"),
        ("90", r"90^\circ"), ("90", r"90^{\circ}"), ("90", "90°"),
        ("left", "Left"), ("left", r"\text{left}"), ("B", "(B)"), ("B", "b"), ("no solution", r"\text{No  solution}."),
        ("x+1", "x + 1"), (r"\frac{\pi}{2}", r"\dfrac{\pi}{2}"), ("(1, 2)", r"\left(1,2\right)"),
        ("2^{2007}-1", "2^{2007} - 1"), (r"\sqrt{2}", r"$\sqrt{2}$"), ("1/0", "1/0"),
        ("9" * 300, "9" * 300),
    ],
)  # fmt: skip
def test_correct(gold: str, answer: str) -> None:
    assert judge(gold, answer).status == "correct"


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "6"), ("5", "-5"), ("5", "55"), ("5", "0.5"), ("5", "5000"), ("5", ""), ("5", " "), ("5", "."),
        ("5", "$"), ("5", "five"), ("5", "5 or 6"), ("5", "5 and 6"), ("5", "x"),
        ("1/2", "0.51"), ("1/3", "0.3333333333333333333"), ("0.3", "0.30000000000000001"),
        ("10%", "0.01"), ("1", "0.9999999999999999999"), ("1/2", "1/3"),
        ("left", "right"), ("B", "C"), ("B", "A or B"), ("left", "left or right"), ("left", ""), ("left", "5"),
        ("yes", "yes no"), ("5", r"\text{}"), ("5", "5 thousand"), ("5", "}5{"), ("5", "\\boxed{5"),
        ("100000000000000000000", "100000000000000000001"), ("5", "9" * (MAX_ANSWER + 1)),
    ],
)  # fmt: skip
def test_wrong(gold: str, answer: str) -> None:
    assert judge(gold, answer).status == "wrong"


@pytest.mark.parametrize("gold", ["", " $ ", "{5", "}5{", "5" * (MAX_ANSWER + 1)])
def test_a_gold_that_cannot_be_read_is_nobodys_fault(gold: str) -> None:
    assert judge(gold, gold).reason == "unparsable_gold"


@pytest.mark.parametrize(
    "text",
    [r"\sqrt{4}", "2+3", "x=5", "5!", "1e3", r"1\frac{1}{2}", "1 2", r"1\,2", "1,5", "--5", "5/0", "5²", "x+1", "(1,2)", "1,08",
     r"5\text{ or six}", r"5\text{ thousand}", "9^{9^{9^{9}}}", "__import__('os').abort()"],
)  # fmt: skip
def test_what_takes_a_parser_is_left_to_it(text: str) -> None:
    found = read(text)
    assert (found.kind, found.number) == ("expression", None)


def test_a_number_of_many_digits_equals_itself_only() -> None:
    long = "9" * (MAX_DIGITS + 1)
    assert judge(long, long).status == "correct"
    assert judge(long, long + ".0").status == "correct"
    assert judge(long, long[:-1] + "8").status == "wrong"


def spellings(value: Fraction) -> Iterator[str]:
    n, d = value.numerator, value.denominator
    yield f"{n}/{d}"
    yield rf"\frac{{{n}}}{{{d}}}"
    yield rf"\dfrac{{{3 * n}}}{{{3 * d}}}"
    if d == 1:
        yield f"{n:,}"
        yield f"{n}.00"
        yield f"{n * 100}%"


@given(st.fractions(max_denominator=1000), st.fractions(max_denominator=1000))
def test_rationals_are_equal_only_when_they_are(a: Fraction, b: Fraction) -> None:
    for gold in spellings(a):
        assert all(judge(gold, answer).status == "correct" for answer in spellings(a))
        if a != b:
            assert all(judge(gold, answer).status != "correct" for answer in spellings(b))


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_gets_a_verdict(gold: str, answer: str) -> None:
    assert judge(gold, answer).status in ("correct", "wrong", "unknown")
    readable = balanced(gold) and gold.strip(" $\t\r\n")
    assert judge(gold, gold).status == ("correct" if readable else "unknown")


@pytest.mark.parametrize(
    "unit", ["9", "{", "\\", r"\text{", r"\frac{1}", "1,000,", "(", "$", " ", "-", "1/", "°", "\\,"]
)
def test_hostile_text_takes_no_time(unit: str) -> None:
    start = time.perf_counter()
    judge("5", (unit * MAX_ANSWER)[:MAX_ANSWER])
    judge("5", (unit * MAX_ANSWER)[: MAX_ANSWER - 1] + "}")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("name", ["gsm8k_train", "gsm8k_test", "aime24"])
def test_real_golds_against_themselves_and_perturbed(name: str) -> None:
    path = DATASETS / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is absent: real problems are not part of the project")
    for line in path.read_text().splitlines():
        gold = json.loads(line)["answer"].rpartition("####")[2].strip()
        assert judge(gold, gold).status == "correct"
        value = int(gold.replace(",", ""))
        assert judge(gold, f"{value:,}").status == "correct"
        for perturbed in (value + 1, value - 1, -value or 7, 10 * value + 1):
            assert judge(gold, str(perturbed)).status == "wrong"
