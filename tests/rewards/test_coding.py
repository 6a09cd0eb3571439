"""The code verifier's door: tasks, comparison, verdicts, special judges. What programs may do is in tests/sandbox."""

import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.rewards.checkers import NAMED, same_value
from stages.rewards.code_block import last_block
from stages.rewards.coding import Sandboxes, grade
from stages.sandbox import compiler, probe
from stages.sandbox.plain import encode
from stages.sandbox.pool import Job, Run, Sandbox, SandboxError

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
SUM = {"type": "stdin", "cases": [{"input": "3 4\n", "output": "7\n"}, {"input": "-1 1\n", "output": "0\n"}]}
ADD = {"type": "call", "fn_name": "add", "cases": [{"args": [3, 4], "expected": 7}, {"args": [-1, 1], "expected": 0}]}
GOOD = "print(sum(map(int, input().split())))"


@pytest.fixture(autouse=True)
def _needs_sandbox() -> None:
    if not probe.strongest()[-1].works:
        pytest.skip("no sandbox works here")


def test_a_verdict() -> None:
    verdict = grade(GOOD, SUM)
    assert verdict and verdict.reward == 1.0
    assert (verdict.status, verdict.reason, verdict.extracted) == ("correct", "passed", GOOD)
    assert verdict.parts == {"passed": 1.0, "num_passed": 2.0, "num_cases": 2.0}


def test_the_fraction_is_kept_and_never_rewarded() -> None:
    verdict = grade("print(7)", SUM)
    assert (verdict.status, verdict.reason, verdict.reward) == ("wrong", "wrong_answer:case 2", 0.0)
    assert verdict.parts["passed"] == 0.5


def test_fail_fast_stops_at_the_first_failure() -> None:
    code = "x = input()\nprint(0)"
    assert grade(code, SUM).parts["num_passed"] == 1
    assert grade(code, SUM, fail_fast=True).parts["num_passed"] == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "no_code"),
        ("```python\n\n```", "no_code"),
        ("print(", "runtime_error:SyntaxError"),
        ("1/0", "runtime_error:ZeroDivisionError"),
        ("class MyError(Exception): pass\nraise MyError", "runtime_error:MyError"),
        ("import sys; sys.exit(3)", "runtime_error:exit 3"),
        ("import os; os.abort()", "runtime_error:signal"),
        ("x = [0] * 10 ** 10", "memory_limit"),
        ("x = b'x' * (600 << 20)", "memory_limit"),
        ("while True: print('x' * 9999)", "output_limit"),
        ("print('\ud800')", "runtime_error:SyntaxError"),
    ],
)
def test_reasons(code: str, reason: str) -> None:
    verdict = grade(code, SUM)
    assert verdict.status == "wrong" and verdict.reason.startswith(reason), verdict


def test_a_timeout_ends_the_grading() -> None:
    verdict = grade("while True: pass", {**SUM, "time_limit_s": 0.2})
    assert (verdict.reason, verdict.parts["passed"]) == ("time_limit:case 1", 0.0)


def test_calls() -> None:
    assert grade("def add(a, b): return a + b", ADD)
    assert grade("class Solution:\n    def add(self, a: int, b: int) -> int: return a + b", ADD)
    assert grade("def add(a, b): return 7", ADD).parts["passed"] == 0.5
    assert grade("def add(a, b): return add", ADD).reason == "bad_result:case 1"
    assert grade("add = 1", ADD).reason == "runtime_error:TypeError"
    assert grade("def other(): pass", ADD).reason == "runtime_error:KeyError"


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -(10**5000), 1.5, "é\u2028\0", [], [[1], "x"], {"a": [1]}, {1: "x", (2, 3): None}, {3, 4}, b"\x00"],
    ids=lambda value: type(value).__name__,
)
def test_arguments_arrive_and_results_return_as_they_are(value: object) -> None:
    task = {"type": "call", "fn_name": "f", "cases": [{"args": [value], "expected": value}]}
    assert grade("def f(x): return x", task)


@needs_compiler
def test_cpp() -> None:
    good = "#include <iostream>\nint main(){ int a, b; std::cin >> a >> b; std::cout << a + b; }"
    assert grade(good, SUM, "cpp") and grade(f"```cpp\n{good}\n```", SUM, "c++")
    bad = grade("int main(){ return x; }", SUM, "cpp")
    assert (bad.status, bad.reason) == ("wrong", "compile_error:'x' was not declared in this scope")
    assert grade("int main(){ return 3; }", SUM, "cpp").reason == "runtime_error:exit 3"
    assert grade("int add(int a, int b){ return a + b; }", ADD, "cpp")
    memory = "#include <vector>\nint main(){ for (std::vector<char> v(1);;) v.resize(2 * v.size(), 1); }"
    assert grade(memory, SUM, "cpp").reason == "memory_limit:case 1"


@needs_compiler
def test_cpp_calls_keep_types_apart() -> None:
    code = """struct Solution {
        vector<pair<int, string>> f(map<string, int>& m, set<long long> s, char c, const double& d, bool b, unsigned u) {
            cout << "noise";
            return {{m["a"] + (int)s.size(), string(1, c)}, {(int)u, b ? to_string(d).substr(0, 3) : ""}};
        } };"""
    case = {"args": [{"a": 2}, {5, 6}, "x", 1.5, True, 9], "expected": [[4, "x"], [9, "1.5"]]}
    assert grade(code, {"type": "call", "fn_name": "f", "cases": [case]}, "cpp")
    wrong = {**case, "args": [{"a": 2}, {5, 6}, "xy", 1.5, True, 9]}
    assert grade(code, {"type": "call", "fn_name": "f", "cases": [wrong]}, "cpp").reason == "runtime_error:TypeError"


def test_without_a_compiler_the_verdict_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler.shutil, "which", lambda *a, **k: None)
    verdict = grade("int main(){}", SUM, "cpp")
    assert (verdict.status, verdict.reason, verdict.reward) == ("unknown", "no_compiler", 0.0)


class Broken(Sandbox):
    def _once(self, job: Job, limits: object) -> Run:
        raise SandboxError("the machine is on fire")


def test_a_sandbox_failure_is_unknown_after_one_retry() -> None:
    box = Broken("namespaces")
    verdict = grade(GOOD, SUM, sandboxes=Sandboxes(run=box))
    assert (verdict.status, verdict.reason) == ("unknown", "sandbox_failed:the machine is on fire")
    assert not verdict and box.num_failures == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cases": []}, "at least one case"),
        ({"cases": None}, "at least one case"),
        ({"cases": "ab"}, "at least one case"),
        ({"cases": [1]}, "case 1 is no mapping"),
        ({"cases": [{"input": "1", "output": None}]}, "case 1: output is NoneType"),
        ({"cases": [{"input": "1", "output": 7}]}, "case 1: output is int"),
        ({"cases": [{"input": ["1"], "output": "7"}]}, "case 1: input is list"),
        ({"cases": [{"input": "1"}]}, "case 1: output is NoneType"),
        ({"type": "stdio"}, "neither stdin nor call"),
        ({"type": None}, "neither stdin nor call"),
        ({"time_limit_s": 0}, "time_limit_s: 0 is out of range"),
        ({"time_limit_s": float("nan")}, "time_limit_s"),
        ({"time_limit_s": "2"}, "no number"),
        ({"memory_limit_mb": -1}, "memory_limit_mb"),
        ({"memory_limit_mb": True}, "memory_limit_mb"),
        ({"time_limit": 1}, "time_limit: no key of a code task .did you mean time_limit_s"),
        ({"checker": "fuzzy"}, "neither a special judge nor one of lines"),
        ({"checker": {"language": "python"}}, "special judge has"),
        ({"float_tolerance": -1}, "float_tolerance"),
    ],
)
def test_a_task_that_cannot_be_graded_is_an_error(change: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grade(GOOD, {**SUM, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fn_name": None}, "fn_name"),
        ({"fn_name": 'f", "x'}, "fn_name"),
        ({"cases": [{"args": 3, "expected": 7}]}, "args is int"),
        ({"cases": [{"args": [3]}]}, "no `expected`"),
        ({"cases": [{"args": [3], "expected": object()}]}, "no plain value"),
        ({"cases": [{"args": [int], "expected": 1}]}, "no plain value"),
        ({"checker": "lines"}, "checkers are for stdin"),
    ],
)
def test_a_call_task_that_cannot_be_graded_is_an_error(change: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grade("def add(a, b): return 1", {**ADD, **change})


def test_a_task_may_carry_more() -> None:
    assert grade(GOOD, {**SUM, "id": "a", "source": {"url": "x"}, "difficulty": 3})


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(ValueError, match="'rust' is none of python"):
        grade(GOOD, SUM, "rust")


def test_an_empty_output_may_be_expected() -> None:
    task = {"type": "stdin", "cases": [{"input": "", "output": ""}]}
    assert grade("pass", task) and not grade("1/0", task) and not grade("print(1)", task)


CLOSE = """
import sys
given, output, answer = (open(name).read() for name in sys.argv[1:])
sys.exit(0 if sorted(output.split()) == sorted(answer.split()) and len(given) else 1)
"""
PRINTS = "import sys\nprint(int(open(sys.argv[3]).read().split() == open(sys.argv[2]).read().split()[::-1]))"
ANY = {"type": "stdin", "cases": [{"input": "x", "output": "1 2 3"}]}


def test_special_judges() -> None:
    task = {**ANY, "checker": {"code": CLOSE}}
    assert grade("print(3, 1, 2)", task)
    assert grade("print(3, 1)", task).reason == "wrong_answer:case 1"
    assert grade("print(3, 2, 1)", {**ANY, "checker": {"code": PRINTS, "accept": "stdout"}})
    assert not grade("print(1, 2, 3)", {**ANY, "checker": {"code": PRINTS, "accept": "stdout"}})


@needs_compiler
def test_a_special_judge_in_cpp() -> None:
    judge = """#include <fstream>
    int main(int n, char** names) { std::ifstream o(names[2]), a(names[3]); int x, y; o >> x; a >> y; return x != y; }"""
    task = {**ANY, "checker": {"code": judge, "language": "cpp"}}
    assert grade("print(1)", task) and not grade("print(2)", task)
    broken = grade("print(1)", {**ANY, "checker": {"code": "int main(", "language": "cpp"}})
    assert (broken.status, broken.reason) == ("unknown", "checker_failed:compile_error")


def test_a_judge_that_an_output_brings_down_rejects_it() -> None:
    strict = "import sys\nassert sum(map(int, open(sys.argv[2]).read().split())) == 6"
    assert grade("print(6)", {**ANY, "checker": {"code": strict}})
    assert grade("print('x')", {**ANY, "checker": {"code": strict}}).status == "wrong"


def test_a_judge_that_always_fails_makes_the_verdict_unknown() -> None:
    verdict = grade("print(6)", {**ANY, "checker": {"code": "1/0"}})
    assert (verdict.status, verdict.reason) == ("unknown", "checker_failed:it fails on the expected answer")


def test_a_judge_is_contained_too() -> None:
    spy = "import os, sys\ntry: os.listdir('/etc')\nexcept OSError: sys.exit(0)\nsys.exit(1)"
    assert grade("print(1)", {**ANY, "checker": {"code": spy}})


@pytest.mark.parametrize(
    ("checker", "output", "expected", "same"),
    [
        ("lines", "1 2\n3\n", "1 2\n3", True),
        ("lines", " 1  2 \r\n3 \n\n", "1 2\n3", True),
        ("lines", "1\n2\n3", "1 2\n3", False),
        ("lines", "1 2", "1 2\n3", False),
        ("lines", "1 2\n3\n4", "1 2\n3", False),
        ("lines", "1 2\n\n3", "1 2\n3", False),
        ("lines", "", "", True),
        ("lines", "\n", "", True),
        ("lines", "0", "", False),
        ("lines", "0.1000001", "0.1", True),
        ("lines", "0.10001", "0.1", False),
        ("lines", "1000000.5", "1000000.6", True),
        ("lines", "1e-1", "0.1", True),
        ("lines", "1", "1.0", True),
        ("lines", "1.0", "1", False),
        ("lines", "-0.0", "0.0", True),
        ("lines", "nan", "1.0", False),
        ("lines", "inf", "1.0", False),
        ("lines", "1e999", "1.0", False),
        ("lines", "nan", "nan", True),
        ("lines", "1_0.0", "10.0", False),
        ("lines", "٣.٠", "3.0", False),
        ("lines", "0x1.8p0", "1.5", False),
        ("lines", "9" * 500 + ".0", "1.5", False),
        ("lines", "01", "1", False),
        ("lines", "YES", "Yes", False),
        ("caseless", "YES", "Yes", True),
        ("tokens", "1\n2\n3", "1 2\n3", True),
        ("tokens", "1 2", "1 2 3", False),
        ("exact", "1  2\n", "1 2", False),
        ("exact", "1 2\n\n", "1 2", True),
        ("unordered", "b\na\n", "a\nb", True),
        ("unordered", "b\nb\n", "a\nb", False),
    ],
)
def test_named_checkers(checker: str, output: str, expected: str, same: bool) -> None:
    assert NAMED[checker](output, expected, 1e-6) is same


@pytest.mark.parametrize(
    ("given", "expected", "same"),
    [
        (1, 1, True),
        (True, 1, False),
        (1, True, False),
        (1.0, 1, True),
        (1.0000001, 1, False),
        (1, 1.0, True),
        (True, 1.0, False),
        (0.1 + 0.2, 0.3, True),
        (float("nan"), 1.0, False),
        (float("nan"), float("nan"), True),
        (float("inf"), float("inf"), True),
        (float("-inf"), float("inf"), False),
        (10**400, 1.0, False),
        (2**70, 2**70, True),
        (2**70 + 1, 2**70, False),
        ((1, 2), [1, 2], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ({"a": 1.0000001}, {"a": 1.0}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({1: "x"}, {"1": "x"}, False),
        ({1: "x"}, {True: "x"}, False),
        ({1, 2}, {2, 1}, True),
        ({1, 2}, [1, 2], False),
        ({frozenset([1, 2])}, {frozenset([2, 1])}, True),
        ("1", 1, False),
        (None, False, False),
        (b"x", "x", False),
        ([], {}, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(given: object, expected: object, same: bool) -> None:
    assert same_value(encode(given), expected, 1e-6) is same


@pytest.mark.parametrize(
    "forged",
    ["", "7 7", "77x", "NaN", "[" * 100000, '{"int": "0x1"', '{"odd": 1}', '{"int": 1}', '{"set": 1}', '{"dict": [1]}']
    + ['{"float": "x"}', "9" * 5000, '{"int": "__import__"}', '{"dict": [[1, 2], [1, 3]]}', '{"bytes": "zz"}', "\0"],
    ids=lambda value: value[:12],
)
def test_a_forged_answer_is_refused(forged: str) -> None:
    for expected in (7, {1: 2}, [], None):
        try:
            assert not same_value(forged, expected, 1e-6)
        except ValueError:
            continue


def test_colliding_keys_cost_no_more_than_others() -> None:
    """Integers with one hash would make a dictionary of them quadratic; keys are never hashed as themselves."""
    modulus = (1 << 61) - 1
    given = '{"dict":[' + ",".join(f'[{{"int":"{i * modulus:#x}"}},0]' for i in range(50000)) + "]}"
    assert not same_value(given, {i: 0 for i in range(50000)}, 0)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x = 1", "x = 1"),
        ("```\nx\n```", "x\n"),
        ("```py\na\n```\n```py\nb\n```\n", "b\n"),
        ("~~~\nx\n~~~", "x\n"),
        ("````\n```\nx\n```\n````", "```\nx\n```\n"),
        ("```python\nx", "x"),
        ("  ```python\n  if x:\n      y\n  ```", "if x:\n    y\n"),
        ("Use `x` and ```y``` inline", "Use `x` and ```y``` inline"),
        ("```python\r\nx\r\n```\r\n", "x\r\n"),
        ("```python\nprint('~~~')\n```", "print('~~~')\n"),
    ],
)
def test_last_block(text: str, code: str) -> None:
    assert last_block(text) == code


def test_from_many_threads_in_order() -> None:
    codes = [f"print({n})" for n in range(24)]
    tasks = [{"type": "stdin", "cases": [{"input": "", "output": str(n)}]} for n in range(24)]
    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(grade, codes, tasks))
        assert not any(threads.map(grade, codes, tasks[1:] + tasks[:1]))
    assert threading.active_count() < 20
