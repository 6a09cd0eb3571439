"""The mathematics verifier: tables of answers by kind, real golds, hostile input, threads, forks and dying workers."""

import ast
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stages.contract.verdict import Verdict
from stages.rewards import maths, pool, worker
from stages.rewards.maths import grade, judge
from stages.rewards.pool import POOL, Pool
from tests.rewards import cases_first, cases_second, cases_solved, cases_third

ROOT = Path(__file__).parents[2]
DATASETS = ROOT.parent / "shared" / "datasets"
ALGEBRA = (r"\sin^2 x+\cos^2 x", "1")  # a pair that only the worker decides


def by_kind(cases: Iterator[tuple[str, str, str, bool]]) -> dict[str, list[tuple[str, str, bool]]]:
    kinds: dict[str, list[tuple[str, str, bool]]] = {}
    for kind, response, gold, equal in cases:
        kinds.setdefault(kind, []).append((response, gold, equal))
    return kinds


TABLES = {
    f"{name}: {kind}": rows
    for name, module in (("first", cases_first), ("second", cases_second), ("third", cases_third))
    for kind, rows in by_kind(module.cases()).items()
}
SOLVED = by_kind(cases_solved.cases())


@pytest.mark.parametrize("kind", TABLES)
def test_table(kind: str) -> None:
    failed = [
        f"{response!r} for {gold!r}: {verdict.status} ({verdict.reason})"
        for response, gold, equal in TABLES[kind]
        if bool(verdict := grade(response, gold)) != equal or verdict.status == "unknown"
    ]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("kind", SOLVED)
def test_what_must_be_worked_out_first(kind: str) -> None:
    """With time, since the machine may be busy; `test_operators_cost_little` looks at the clock."""
    failed = [
        f"{response!r} for {gold!r}: {verdict.status} ({verdict.reason})"
        for response, gold, equal in SOLVED[kind]
        if bool(verdict := grade(response, gold, timeout_s=60)) != equal or verdict.status == "unknown"
    ]
    assert not failed, "\n".join(failed)


# Where the gold decides what is asked, the two sides are not exchangeable.
ONE_SIDED = ("percentages", "choice", "hostile", "response")


@pytest.mark.parametrize("kind", [kind for kind in TABLES if not any(word in kind for word in ONE_SIDED)])
def test_gold_and_answer_are_exchangeable(kind: str) -> None:
    for response, gold, equal in TABLES[kind]:
        answer = response.removeprefix(r"\boxed{")[:-1]
        assert bool(judge(answer, gold)) == equal, (answer, gold)


@pytest.mark.parametrize("kind", [kind for kind in TABLES if "response" not in kind])
def test_an_answer_equals_itself(kind: str) -> None:
    for _, gold, _ in TABLES[kind]:
        assert judge(gold, gold).status == "correct", gold


def test_verdict_says_why_and_what_was_read() -> None:
    assert grade(r"\boxed{1{,}080}", "1080") == Verdict(status="correct", reason="equal", extracted="1080")
    assert grade("<think>5", "5") == Verdict(status="wrong", reason="bad_format")
    assert grade("I can't tell.", "5") == Verdict(status="wrong", reason="different", extracted="i can't tell")
    assert grade("five, surely" * 100, "5", last_number=False).reason == "no_answer"
    assert judge("{5", "5") == Verdict(status="unknown", reason="unparsable_gold", extracted="5")
    assert judge("5" * 5000, "5").reason == "unparsable_gold"


@pytest.mark.parametrize("gold", ["", " ", "\n", "$", r"so \boxed{}", "6*7\n#### "])
def test_an_empty_gold_is_an_error(gold: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        grade("5", gold)


@pytest.mark.parametrize(("gold", "answer"), [("6*7 = 42\n#### 42", "42"), (r"Hence \boxed{\frac12}.", "0.5")])
def test_a_worked_gold_is_its_final_answer(gold: str, answer: str) -> None:
    assert grade(rf"\boxed{{{answer}}}", gold)
    assert not grade(rf"\boxed{{{answer}1}}", gold)


def test_the_last_number_can_be_forbidden() -> None:
    sentence = "She sold 72 clips."
    assert grade(sentence, "72")
    assert not grade(sentence, "72", last_number=False)
    assert grade("72", "72", last_number=False)


# ---- perturbed golds


def alternatives(value: int) -> Iterator[str]:
    yield from (str(value + 1), str(value - 1), str(-value or 7), f"{value}7", f"{value}.5", rf"{value or 3}\times10^1")


@pytest.mark.parametrize("name", ["gsm8k_train", "gsm8k_test", "aime24"])
def test_real_golds_against_themselves_and_perturbed(name: str) -> None:
    path = DATASETS / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is absent: real problems are not part of the project")
    for line in path.read_text().splitlines():
        gold = json.loads(line)["answer"]
        final = gold.rpartition("####")[2].strip()
        for response in (
            gold,
            rf"So \boxed{{{final}}}.",
            f"<think>a</think><answer>{final}</answer>",
            f"The answer is {final}.",
        ):
            assert grade(response, gold).status == "correct", final
        for wrong in alternatives(int(final.replace(",", ""))):
            assert grade(rf"\boxed{{{wrong}}}", gold).status == "wrong", (final, wrong)


@given(st.fractions(max_denominator=500), st.fractions(max_denominator=500), st.sampled_from(["()", "[]", "(]", "[)"]))
@settings(deadline=None, max_examples=60)
def test_perturbed_shapes_are_wrong(a: Fraction, b: Fraction, brackets: str) -> None:
    low, high = min(a, b), max(a, b) + 1
    interval = f"{brackets[0]}{low},{high}{brackets[1]}"
    swapped = f"{brackets[0]}{high},{low}{brackets[1]}"
    other = "[" if brackets[0] == "(" else "("
    assert judge(
        interval, rf"\left{brackets[0]}\frac{{{low.numerator}}}{{{low.denominator}}}, {high}\right{brackets[1]}"
    )
    assert not judge(interval, swapped)
    assert not judge(interval, f"{other}{low},{high}{brackets[1]}")
    assert judge(rf"\{{{low},{high},x\}}", rf"\{{x,{high},{low}\}}")
    assert not judge(rf"\{{{low},{high},x\}}", rf"\{{{low},{high}\}}")
    assert not judge(f"{low},{high}", f"{low}")


@given(st.integers(-50, 50), st.integers(1, 50), st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_a_changed_expression_is_wrong(a: int, b: int, c: int) -> None:
    assume(a > 0 or a * a != b)  # or the coefficient is 0, and the power says nothing
    gold = rf"\frac{{{a}+\sqrt{{{b}}}}}{{{c}}}x^2-{b}x"
    assert judge(gold, rf"-{b}x + x^{{2}}\left(\frac{{{a}}}{{{c}}} + \frac{{\sqrt{{{4 * b}}}}}{{{2 * c}}}\right)")
    for near in (
        gold.replace("x^2", "x^3"),
        f"-({gold})",
        f"{gold}+10^{{-30}}",
        gold.replace(rf"\sqrt{{{b}}}", rf"\sqrt{{{b + 1}}}"),
    ):
        assert judge(gold, near).status == "wrong"


# ---- hostile input

BOMBS = [
    "9^{9^{9^{9}}}", "9^9^9^9", "(10^9)!", "((9!)!)!", r"\binom{10^9}{10^8}", "10^{10^{10}}", "1e999999999",
    "(x+1)^{1000000000}", "(a+b+c+d+f+g)^{200}", r"\sqrt[1000000000]{2}", "x^{x^{x^{x^x}}}", r"\sin(10^{10^{10}})",
    r"\tan(10^{5000})", "e^{e^{e^{e^{e^{e}}}}}", "2^{0.5^{0.5^{0.5}}}", "0." + "9" * 4000, "9" * 4000, r"\pi^{1000}",
    "1/" * 1000 + "1", "1+" * 1900 + "1", "(1+x)" * 700, r"\sqrt{" * 1000 + "2" + "}" * 1000, "(" * 10000 + "5" + ")" * 10000,
    "(" * 2000 + "5" + ")" * 2000, "{" * 60 + "5" + "}" * 60, r"\frac{1}{" * 500 + "2" + "}" * 500, "[" * 4000, "|" * 4000,
    "5" + "!" * 4000, "5" + "'" * 4000, "-" * 4000 + "5", r"\text{" * 600 + "5" + "}" * 600, r"\left(" * 800, "^" * 4000,
    "x_" * 2000, "x^" * 2000 + "2", r"1\pm" * 900 + "1", "1," * 2000 + "1", r"\begin{pmatrix}" * 250,
    r"\begin{pmatrix}" + "1&" * 1500 + r"1\end{pmatrix}", "1<" * 1500 + "x", r"\cup".join(["(1,2)"] * 600),
    " or ".join(f"x>{i}" for i in range(300)), "$" * 4000, "\\" * 4000, "½" * 1300, "²" * 1300, "√" * 1300, "\u200b" * 4000,
    r"\frac12" * 500, r"\binom52" * 500, r"\sin" * 900 + "x", r"\overline{" * 400 + "1" + "}" * 400, "the answer is " * 300,
    "(((" * 12 + "x+1" + ")^2)^2)^2" * 12, "*".join(rf"(1+\sqrt{{{p}}})" for p in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)),
    r"\lfloor " * 30 + "x" + r"\rfloor" * 30, r"\gcd(" + ",".join(["12"] * 900) + ")", "5" * (1 << 20),
]  # fmt: skip
CODE = [
    "__import__('os').system('touch {}')", "eval(compile('open(\"{}\",\"w\")','','exec'))", "().__class__.__base__.__subclasses__()",
    "exec('open(\"{}\",\"w\")')", "lambda: open('{}','w')", r"\input{{{}}}", "{{{{7*7}}}}", "f'{{open(\"{}\",\"w\")}}'", "％s％n",
    "ｅｖａｌ(1)", "__ｉｍｐｏｒｔ__('os')", "${{jndi:ldap://x}}", "\x00", "\ud800", "\u202e5", "[x for x in range(9)]", "S(1).__class__",
    "N(exec)", "Symbol('x').func", r"\write18{{touch {}}}", "5;open('{}','w')", '{{"a": 1}}', "<script>5</script>",
]  # fmt: skip
GOLDS = ["6", "x+1", r"\frac{\sqrt{3}}{2}", "(1,7)", r"\{1,7\}", "[0,7)", "x>2", r"\sin^2x", "B", "blue", r"51\%"]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda text: text[:20])
def test_bombs_are_wrong_within_their_time(bomb: str) -> None:
    for gold in GOLDS:
        begin = time.perf_counter()
        for response in (rf"\boxed{{{bomb}}}", bomb):
            assert grade(response, gold).status != "correct"
        assert time.perf_counter() - begin < 2 * maths.TIMEOUT_S + 2
    if len(bomb) < 4000 and bomb.strip(" $\u200b"):
        assert judge(bomb, bomb).status in ("correct", "unknown")
        assert not judge(bomb, f"{bomb}+1")


@pytest.mark.parametrize("code", CODE)
def test_nothing_is_executed(code: str, tmp_path: Path) -> None:
    text = code.format(tmp_path / "pwned") if "{}" in code else code
    for gold in GOLDS:
        assert grade(rf"\boxed{{{text}}}", gold).status == "wrong"
        assert grade(text, gold, last_number=False).status == "wrong"
    assert list(tmp_path.iterdir()) == []


def test_nothing_could_be_executed() -> None:
    """The maths files call none of the functions that run text as code, and import neither sympy nor pickle."""
    for path in (ROOT / "stages" / "rewards").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "compile", "__import__"}, path.name
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"parse_expr", "sympify", "lambdify"}, path.name
                assert node.attr != "loads" or ast.unparse(node) == "json.loads", path.name


@pytest.mark.parametrize(
    "unit",
    ["<think>", r"\boxed{", r"\boxed{1} and ", "$", "$x$ ", "{", "####", "<answer>", "answer is ", "答案", "5 ", "**"],
)
def test_a_megabyte_takes_no_time(unit: str) -> None:
    response = unit * ((1 << 20) // len(unit)) + "x"
    begin = time.perf_counter()
    assert grade(response, "6").status == "wrong"
    assert time.perf_counter() - begin < 5


# ---- processes


@pytest.fixture
def workers() -> Iterator[Pool]:
    found = Pool(2)
    yield found
    found.close()


def test_importing_the_verifier_is_quick_and_imports_no_mathematics() -> None:
    code = (
        "import sys, stages.rewards.maths as m; m.grade('5', '5'); m.grade(r'$\\frac12$', '0.5');"
        "print(sorted({'mpmath', 'sympy', 'numpy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_stuck_worker_is_killed_and_others_are_unaffected(workers: Pool) -> None:
    assert workers.decide("1", r"\sin^2 x+\cos^2 x", 30) == "same"
    (one,) = workers._all
    os.kill(one.process.pid, signal.SIGSTOP)  # as stuck as can be
    begin = time.perf_counter()
    assert workers.decide("1", r"\sin^2 y+\cos^2 y", 0.3) == "timeout"
    assert time.perf_counter() - begin < 10  # a machine under load
    assert one.process.returncode is not None
    assert workers.decide("1", r"\sin^2 y+\cos^2 y", 30) == "same"


def test_a_timeout_is_unknown_and_never_rewarded() -> None:
    maths._compared.cache_clear()
    verdict = judge(*ALGEBRA, timeout_s=0.0)
    assert (verdict.status, verdict.reason, verdict.reward) == ("unknown", "timeout", 0.0)
    assert judge(*ALGEBRA)


def test_a_worker_killed_from_outside_is_replaced(workers: Pool) -> None:
    for _ in range(3):
        assert workers.decide("1", r"\sin^2 x+\cos^2 x", 30) == "same"
        (one,) = workers._all
        one.process.kill()
        one.process.wait()


def test_no_worker_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool.sys, "executable", "/bin/false")
    monkeypatch.setattr(maths, "POOL", Pool(1))
    maths._by_worker.cache_clear()
    assert judge(*ALGEBRA).reason == "worker"
    monkeypatch.setattr(pool.sys, "executable", "/does/not/exist")
    assert judge(*ALGEBRA).reason == "worker"
    monkeypatch.undo()
    assert judge(*ALGEBRA)


def test_workers_are_recycled(monkeypatch: pytest.MonkeyPatch, workers: Pool) -> None:
    monkeypatch.setattr(worker, "LAST", b" last")
    assert workers.decide("1", r"\sin^2 x+\cos^2 x", 30) == "same"
    (one,) = workers._all
    monkeypatch.setattr(one, "ask", lambda job, timeout_s: worker.SAME + worker.LAST)
    assert workers.decide("1", "anything", 30) == "same"
    assert one.process.returncode is not None and not workers._all


def test_a_worker_ends_with_its_caller() -> None:
    code = (
        "import os, sys; from stages.rewards.pool import POOL;"
        r"POOL.decide('1', r'\sin^2 x+\cos^2 x', 30); (w,) = POOL._all; print(w.process.pid, flush=True); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_has_limits() -> None:
    code = (
        "import resource as r; from stages.rewards import worker as w; w.limit_memory(); w.limit_cpu();"
        "print(r.getrlimit(r.RLIMIT_AS)[0] < 2**33, r.getrlimit(r.RLIMIT_CPU)[0] <= 5, r.getrlimit(r.RLIMIT_CORE)[0])\n"
        "try: bytearray(2**30)\nexcept MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "True", "0", "refused"], done.stderr


def _unique_pairs(number: int) -> list[tuple[str, str]]:
    return [(rf"\sin^2({i}x)+\cos^2({i}x)", "1") for i in range(number)]


def test_from_any_thread() -> None:
    maths._by_worker.cache_clear()
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda pair: judge(pair[1], pair[0]), _unique_pairs(60)))
    assert all(verdicts)
    found: list[Verdict] = []
    thread = threading.Thread(target=lambda: found.append(grade(r"\boxed{9^{9^{9^9}}}", "5")))
    thread.start()
    thread.join(30)
    assert [verdict.status for verdict in found] == ["wrong"]


def _in_fork(work: Callable[[], bool]) -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work() else 1)
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_a_fork_each_process_has_its_own_workers() -> None:
    maths._by_worker.cache_clear()
    assert judge(*ALGEBRA)
    before = {one.process.pid for one in POOL._all}

    def child() -> bool:
        ours = not POOL._all
        verdict = judge("1", r"\sin^2 z+\cos^2 z")
        return ours and verdict.status == "correct" and not before & {one.process.pid for one in POOL._all}

    assert _in_fork(child)
    assert judge("1", r"\sin^2 w+\cos^2 w").status == "correct"
    assert before & {one.process.pid for one in POOL._all}


def test_the_callers_signals_are_left_alone() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)]
    judge("1", r"\sin^2 q+\cos^2 q")
    assert before == [signal.getsignal(n) for n in (signal.SIGALRM, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_verdicts_do_not_depend_on_the_order_or_on_caches() -> None:
    rows = [(response, gold) for rows in TABLES.values() for response, gold, _ in rows]
    first = [grade(*row) for row in rows]
    for cached in (maths._compared, maths._by_worker):
        cached.cache_clear()
    assert first[::-1] == [grade(*row) for row in reversed(rows)]


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("11111", r"11,\! 111"), ("11111", r"11\, 111"), ("1234567", r"1,\! 234,\! 567"), ("10:30", "10{:}30")],
)
def test_tex_swallows_the_blank_behind_a_command(gold: str, answer: str) -> None:
    assert judge(gold, answer) and not judge(gold, f"{answer}7")


def test_workers_of_a_large_process_live_on(workers: Pool) -> None:
    ballast = bytearray(600 << 20)  # touched below: a trainer is as large, and its peak is inherited over an exec
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert workers.decide("1", r"\sin^2 x+\cos^2 x", 30) == "same"
    assert len(workers._all) == 1 and len(ballast) > 0
