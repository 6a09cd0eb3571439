"""Grading the embedded world's programs: an answer is an expression in x such as `x*3+2`.

It is interpreted on every test of the task, the shown and the hidden ones. To pass is to pass all of
them, as the paper's hidden test suites ask; the passed share is kept, but never rewarded.
"""

from dataclasses import dataclass
from functools import lru_cache

from stages.sandbox.expression import ExpressionError, canonical, evaluate, parse


@dataclass(frozen=True, kw_only=True)
class CodeResult:
    """Whether all tests passed, which share did, and the program in canonical form (None: no program)."""

    passed: bool
    fraction: float
    program: str | None


@lru_cache(maxsize=16384)
def run_tests(program: str, tests: tuple[tuple[int, int], ...]) -> CodeResult:
    """Run a program on (input, expected output) pairs. A test that fails to compute is a failed test.

    Raises:
        ValueError: there are no tests, which anything would pass.

    >>> run_tests("x*3", ((2, 6), (5, 15))).passed, run_tests("x+4", ((2, 6), (5, 15))).fraction
    (True, 0.5)
    """
    if not tests:
        raise ValueError("a code task needs tests")
    try:
        tree = parse(program)
    except ExpressionError:
        return CodeResult(passed=False, fraction=0.0, program=None)
    num_passed = 0
    for given, expected in tests:
        try:
            num_passed += evaluate(tree, given) == expected
        except ExpressionError:
            continue
    return CodeResult(passed=num_passed == len(tests), fraction=num_passed / len(tests), program=canonical(tree))
