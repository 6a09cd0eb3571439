"""The final answer: the last mark counts and nothing falls back to an earlier one."""

import time

import pytest

from stages.rewards.extraction import MAX_ANSWER, MAX_RESPONSE, final_answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<think>6</think><answer>5</answer>", "5"),
        ("<think>6</think>\n<answer> 5 </answer>", "5"),
        ("<answer>5</answer>", "5"),
        ("<answer>4</answer><answer>5</answer>", "5"),
        ("<think>a</think><think>b</think><answer>5</answer>", "5"),
        (r"<think>\boxed{6}</think><answer>so \boxed{5}.</answer>", "5"),
        (r"<think>6</think>so \boxed{\frac{1}{2}}, surely", r"\frac{1}{2}"),
        (r"\boxed{4} or rather \boxed {5}", "5"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        ("48/2 = <<48/2=24>>24\n#### 72\n", "72"),
        ("#### 4\n#### 5", "5"),
        ("<think>6</think>5", "5"),
    ],
)
def test_extracts(response: str, answer: str) -> None:
    assert final_answer(response).answer == answer


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("", "no_answer"),
        ("5", "no_answer"),
        ("the answer is 5", "no_answer"),
        ("<think>5</think>", "no_answer"),
        ("<think>5</think><answer></answer>", "no_answer"),
        ("<think>5</think>" + "so it is 5 " * 30, "no_answer"),
        ("<think>so <answer>5</answer>", "bad_format"),
        ("<think>a</think><answer>5</answer><think>b", "bad_format"),
        ("<think>6</think><answer>5", "bad_format"),
        ("<answer>5</answer><answer>6", "bad_format"),
        (r"<answer>\boxed{5} \boxed{}</answer>", "bad_format"),
        (r"<answer>\boxed{5} \boxed{ }</answer>", "bad_format"),
        (r"<answer>\boxed{5} \boxed{6</answer>", "bad_format"),
        (r"<answer>\boxed 5</answer>", "bad_format"),
        ("#### ", "bad_format"),
        (r"\boxed{" + "{" * 100 + "5" + "}" * 101, "bad_format"),
        (r"\boxed{" + "5" * MAX_ANSWER + "}", "bad_format"),
        ("5" * (MAX_RESPONSE + 1), "bad_format"),
    ],
)
def test_has_no_answer(response: str, reason: str) -> None:
    found = final_answer(response)
    assert (found.answer, found.reason) == (None, reason)


@pytest.mark.parametrize(
    "unit", ["<think>", "</think>", "<answer>", r"\boxed{", "{", "####", "\\", "<answer></answer>"]
)
def test_a_megabyte_of_marks_takes_no_time(unit: str) -> None:
    start = time.perf_counter()
    final_answer(unit * (MAX_RESPONSE // len(unit)))
    assert time.perf_counter() - start < 1
