"""The scorer's parts, and format, language and code grading under it."""

import dataclasses
import json

import pytest

from stages.contract.params import Reward
from stages.contract.task import Task
from stages.rewards.altered import altered
from stages.rewards.batch import Graders
from stages.rewards.expressions import run_tests
from stages.rewards.formatting import format_reward
from stages.rewards.language import consistency, count_words, dominant
from stages.rewards.scorer import Grade, grade, refused, scorer

SUM = Task(id="a", kind="reasoning", family="chain", difficulty=2, language="en", prompt="what is 2+3", answer="5")
CODE = Task(
    id="b",
    kind="reasoning",
    family="code",
    difficulty=2,
    language="zh",
    prompt="f",
    answer="x*3",
    tests=((2, 6), (5, 15), (-1, -3)),
)


@pytest.mark.parametrize(
    ("response", "finished", "verdict", "reason", "answer", "format"),
    [
        ("<think>so 5</think><answer>5</answer>", True, "correct", "correct", "5", 1.0),
        ("<think>so 5</think><answer>5.0</answer>", True, "correct", "correct", "5", 1.0),
        ("<think>so 5</think><answer>6</answer>", True, "wrong", "wrong", "6", 1.0),
        ("<answer>5</answer>", True, "correct", "correct", "5", 0.0),
        ("<think>so 5</think><answer>5</answer>", False, "wrong", "truncated", None, 0.0),
        ("<think>so", False, "wrong", "truncated", None, 0.0),
        ("<think>so", True, "wrong", "bad_format", None, 0.0),
        ("5", True, "wrong", "no_answer", None, 0.0),
        ("<think>so</think><answer></answer>", True, "wrong", "no_answer", None, 1.0),
        ("<think>so</think><answer>2+3</answer>", True, "wrong", "unevaluated", "2+3", 1.0),
    ],
)
def test_grade(response: str, finished: bool, verdict: str, reason: str, answer: str | None, format: float) -> None:
    graded = grade(SUM, response, finished=finished)
    expected = Grade(
        verdict=verdict,  # type: ignore[arg-type]
        reason=reason,
        answer=answer,
        accuracy=float(verdict == "correct"),
        format=format,
        language=1.0,
    )
    assert graded == expected


@pytest.mark.parametrize(
    ("program", "reason", "canonical"),
    [
        ("x*3", "correct", "3*x"),
        ("x+x+x", "correct", "3*x"),
        ("x+4", "wrong", "x+4"),
        ("9//(x-2)", "wrong", "9//(x-2)"),
        ("6 if x==2 else 15", "invalid_program", None),
        ("15", "wrong", "15"),
    ],
)
def test_code_passes_only_with_every_test(program: str, reason: str, canonical: str | None) -> None:
    graded = grade(CODE, f"<think>所以</think><answer>{program}</answer>", finished=True)
    assert (graded.reason, graded.answer, graded.accuracy) == (reason, canonical, float(reason == "correct"))


def test_code_keeps_the_passed_share() -> None:
    assert run_tests("x*x+x", CODE.tests).fraction == pytest.approx(1 / 3)
    assert run_tests("9//(x-2)", ((2, 1), (3, 9))).fraction == 0.5
    with pytest.raises(ValueError):
        run_tests("x", ())


@pytest.mark.parametrize("kind", ["helpful", "safety"])
def test_general_tasks_are_not_rule_graded(kind: str) -> None:
    graded = grade(dataclasses.replace(SUM, kind=kind), "<think>so 5</think><answer>5</answer>", finished=True)
    assert (graded.verdict, graded.reason, graded.accuracy, graded.format) == ("unknown", "not_rule_graded", 0.0, 1.0)


def test_unparsable_gold_is_never_rewarded() -> None:
    graded = grade(dataclasses.replace(SUM, answer=""), "<think></think><answer>5</answer>", finished=True)
    assert (graded.verdict, graded.reason, graded.accuracy) == ("unknown", "unknown:unparsable_gold", 0.0)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("<think>a</think><answer>b</answer>", 1.0),
        (" <think>a</think>\n\n<answer>b</answer>\n", 1.0),
        ("<think>a</think><answer>b</answer> bye", 0.0),
        ("hi <think>a</think><answer>b</answer>", 0.0),
        ("<think>a<think>b</think><answer>c</answer>", 0.0),
        ("<think>a</think><answer>b</answer><answer>c</answer>", 0.0),
        ("<answer>b</answer><think>a</think>", 0.0),
        ("<think>a</think>b", 0.0),
        ("", 0.0),
    ],
)
def test_format(response: str, expected: float) -> None:
    assert format_reward(response) == expected


@pytest.mark.parametrize(
    ("thought", "english", "chinese"),
    [
        ("first 3*5+8 then 15+8 so 23", 1.0, 0.0),
        ("先 3*5+8 再 15+8 所以 23", 0.0, 1.0),
        ("first 3 再 4 so 7", 2 / 3, 1 / 3),
        ("所以呢", 0.0, 1.0),  # three characters: two words
        ("所以呢 so", 1 / 3, 2 / 3),
        (r"x = \frac{a}{b} \le \theta_1, αβ", 1.0, 1.0),
        ("привет so", 0.5, 0.0),
        ("12 + 3 = 15 🙂", 1.0, 1.0),
        ("", 1.0, 1.0),
        (None, 1.0, 1.0),
    ],
)
def test_language_consistency(thought: str | None, english: float, chinese: float) -> None:
    assert consistency(thought, "en") == pytest.approx(english)
    assert consistency(thought, "zh") == pytest.approx(chinese)


def test_language_is_that_of_the_thought_alone() -> None:
    assert grade(SUM, "<think>so</think><answer>五个苹果</answer>", finished=True).language == 1.0
    assert grade(CODE, "<think>so 所以</think><answer>x*3</answer>", finished=True).language == 0.5


def test_unknown_language_is_a_programmers_error() -> None:
    with pytest.raises(ValueError):
        consistency("so", "fr")


def test_dominant_language() -> None:
    assert [dominant(t) for t in ("how many", "一共有多少个", "Ann 有五个苹果", "2+3")] == ["en", "zh", "zh", "en"]
    assert count_words("naïve café").latin == 2


def test_refusals_are_looked_for_where_the_user_reads() -> None:
    phrases = ["cannot help", "不能帮"]
    assert refused("<think>hm</think><answer>I CANNOT help</answer>", phrases)
    assert refused("我不能帮你", phrases)
    assert not refused("<think>I cannot help</think><answer>sure</answer>", phrases)
    assert not refused("<think>I cannot help", phrases)
    assert not refused("<think></think><answer>cannot help</answer>", [])


WEIGHTS = Reward(accuracy=1.0, format=0.2, language=0.3, preference=0.5, overlong=2.0, combine="sum")


def _task(kind: str = "reasoning") -> Task:
    return dataclasses.replace(SUM, kind=kind, prompt="what is 1+3", answer="4")


def _answer(text: str) -> str:
    return f"<think>so 4</think><answer>{text}</answer>"


@pytest.mark.parametrize(
    ("task", "text", "finished", "length", "reward"),
    [
        (_task(), _answer("4"), True, 10, 1.0 + 0.2 + 0.3),
        (_task(), _answer("3"), True, 10, 0.2 + 0.3),
        (_task(), "<think>所以</think><answer>4</answer>", True, 10, 1.0 + 0.2),
        (_task(), _answer("4"), False, 10, 0.3),
        (_task(), _answer("4"), True, 80, 1.5),  # the penalty begins after four fifths of the limit
        (_task(), _answer("4"), True, 90, 1.5 - 1.0),
        (_task(), _answer("4"), True, 100, 1.5 - 2.0),
        (_task("helpful"), _answer("4"), True, 10, 0.2 + 0.3 + 0.5 * 0.8),  # never the rules' accuracy
        (_task("safety"), _answer("4"), True, 10, 0.2 + 0.3 + 0.5 * 0.8),
    ],
)
def test_a_reward_is_its_weighed_parts(task: Task, text: str, finished: bool, length: int, reward: float) -> None:
    score = scorer(
        WEIGHTS,
        lambda tasks, texts: [None if t.kind == "reasoning" else 0.8 for t in tasks],
        graded=Graders(0).grade_all,
    )
    (scored,) = score([task], [text], [finished], [length], 100)
    assert scored.reward == pytest.approx(reward)
    assert scored.preference == (None if task.kind == "reasoning" else 0.8)


def test_without_a_judge_general_prompts_earn_form_and_language_only() -> None:
    (scored,) = scorer(WEIGHTS, graded=Graders(0).grade_all)([_task("helpful")], [_answer("4")], [True], [10], 100)
    assert scored.reward == pytest.approx(0.5) and scored.preference is None


@pytest.mark.parametrize(
    ("gold", "answer", "reason"),
    [
        ("23", "3*5+8", "unevaluated"),  # the question itself must not be an answer to it
        ("23", "15+8", "unevaluated"),
        ("1024", "2^{10}", "unevaluated"),
        ("0.5", "\\frac{1}{2}", "correct"),
        ("0.0012", "1.2\\times10^{-3}", "correct"),
        ("5", "x = 5", "correct"),
        ("-3", "-3", "correct"),
        ("x+1", "1+x", "correct"),  # an expression may be answered by one
        ("\\sqrt{8}", "2\\sqrt{2}", "correct"),
        ("23", "3*5+9", "wrong"),
        ("\\frac13", "\\int_0^1 x^2\\,dx", "unevaluated"),
        ("3x^2", "\\frac{d}{dx}x^3", "unevaluated"),  # also where the gold is no number
        ("3x^2", "\\dfrac{\\mathrm{d}}{\\mathrm{d}x} x^3", "unevaluated"),
        ("12x^2", "\\frac{d^{2}}{dx^{2}}x^4", "unevaluated"),
        ("\\frac{n(n+1)}{2}", "∑_{k=1}^{n} k", "unevaluated"),
        ("\\sum_{k=1}^{n} k", "\\sum_{j=1}^{n} j", "correct"),  # the gold leaves it to do, too
        ("\\sum_{k=1}^{n} k", "\\frac{n(n+1)}{2}", "correct"),
        ("d/2", "\\frac{d}{2}", "correct"),
        ("x^2=4", "x=\\pm2", "correct"),
        ("x=\\pm2", "x^2=4", "wrong"),
    ],
)
def test_a_number_is_asked_for_and_a_computation_is_none(gold: str, answer: str, reason: str) -> None:
    graded = grade(dataclasses.replace(SUM, answer=gold), f"<think>so</think><answer>{answer}</answer>", finished=True)
    assert graded.reason == reason


DOUBLE = {"type": "stdin", "cases": [{"input": "3", "output": "6"}, {"input": "5", "output": "10"}]}


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("<think>so</think>\n```python\nprint(2 * int(input()))\n```", "correct"),
        ("<think>so</think><answer>\n```python\nprint(2 * int(input()))\n```\n</answer>", "correct"),
        ("<think>so</think>\n```python\nprint(6)\n```", "wrong_answer:case 2"),
        ("<think>```python\nprint(2 * int(input()))\n```</think>", "no_code"),
    ],
)
def test_code_tasks_are_run(response: str, reason: str) -> None:
    task = dataclasses.replace(SUM, answer="", code=json.dumps(DOUBLE))
    graded = grade(task, response, finished=True)
    assert (graded.reason, graded.answer) == (reason, None)


def _altered(**changes: str) -> dict[str, str]:
    return dict(altered(dataclasses.replace(SUM, **changes)))  # type: ignore[arg-type]


def test_what_lies_near_the_gold_is_wrong() -> None:
    """By the verifier, for every kind of gold that can be altered; what would stay the same isn't made."""
    golds = ("72", "-3.50", "0", "\\frac{3}{4}", "x^{2}+1", "(-1, 4]", "[0,\\infty)", "\\{1, 2, 7\\}", "left", "\\pm 2")
    for gold in golds:
        task = dataclasses.replace(SUM, answer=gold)
        for how, answer in altered(task):
            graded = grade(task, f"<think></think><answer>{answer}</answer>", finished=True)
            assert graded.accuracy == 0.0, (gold, how, answer)
    assert "sign" not in _altered(answer="0") and "sign" not in _altered(answer="\\pm 2")
    assert _altered(answer="x^{2}+1")["exponent"] == "x^{3}+1"
    assert _altered(answer="(-1, 4]")["ends swapped"] == "(4, -1]"
    assert _altered(answer="\\{1, 2, 7\\}")["element dropped"] == "\\{1, 2\\}"
    assert "ends swapped" not in _altered(answer="(2, 2)")


def test_programs_that_print_too_little_or_too_much_are_wrong() -> None:
    single = {"type": "stdin", "cases": [{"input": "3", "output": "16"}]}
    task = dataclasses.replace(SUM, answer="print(16)", code=json.dumps(single))
    made = dict(altered(task))
    assert set(made) == {"empty", "prefix only", "extra output"}
    for how, program in made.items():
        assert grade(task, f"<think></think><answer>{program}</answer>", finished=True).accuracy == 0.0, how
