"""The mathematics verifier beside Math-Verify, in cases per CPU-second, parent and workers together, in one run.

Rows are synthetic and all different, so that no cache helps: responses of 1-2 KB with a final integer, as on GSM8K,
and boxed LaTeX answers, right ones written otherwise and near misses. `--rows N` grades N GSM8K-like rows on two
processes and prints the wall time; 800000 is the paper's rejection set.
"""

import argparse
import multiprocessing
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator

from stages.rewards.maths import grade
from stages.rewards.pool import POOL

Row = tuple[str, str, bool]  # response, gold, whether it is right

EASY, HARD = 20_000, 3_000  # rows that ours grades
THEIR_EASY, THEIR_HARD = 1_000, 400  # rows of the same that Math-Verify grades; it takes as long on these
WORDS = "so then we add the number of apples and subtract what she gave to her friend which leaves half of them".split()


def easy(number: int, seed: int = 0) -> Iterator[Row]:
    """GSM8K-like rows."""
    draw = random.Random(seed)
    for index in range(number):
        gold = draw.randint(2, 200_000)
        value = gold if draw.random() < 0.7 else gold + draw.randint(1, 9)
        lines = []
        while sum(map(len, lines)) < draw.randint(1000, 2000):
            a, b = draw.randint(2, 999), draw.randint(2, 999)
            lines.append(f"{' '.join(draw.choices(WORDS, k=12))}, {a} + {b} = {a + b}.")
        end = (rf"So it is $\boxed{{{value:,}}}$.", f"#### {value}", f"The answer is {value:,}.", rf"\boxed{{{value}}}")
        yield (
            f"<think>\n{' '.join(lines[:5])}\n</think>\n{' '.join(lines[5:])}\n{end[index % 4]}",
            str(gold),
            value == gold,
        )


def _pairs(draw: random.Random) -> list[tuple[str, str, str]]:
    """(gold, the same otherwise, a near miss), one for each kind, with numbers drawn."""
    a, b, c, d = (draw.randint(2, 60) for _ in range(4))
    p = draw.choice((2, 3, 5, 7, 11, 13))
    return [
        (rf"\frac{{{a}\sqrt{{{p}}}}}{{{b}}}", rf"\frac{{{a * p}}}{{{b}\sqrt{{{p}}}}}", rf"\frac{{{a}\sqrt{{{p}}}}}{{{b + 1}}}"),
        (rf"(x+{a})(x-{b})", rf"x^2{a - b:+d}x-{a * b}", rf"x^2{a - b:+d}x+{a * b}"),
        (rf"\frac{{{a}}}{{x+{b}}}+\frac{{{c}}}{{x}}", rf"\frac{{{a + c}x+{b * c}}}{{x^2+{b}x}}", rf"\frac{{{a + c}x+{b}}}{{x^2+{b}x}}"),
        (rf"[{a},{a + b})\cup({a + b + c},\infty)", rf"\left({a + b + c},\infty\right) \cup \left[{a},{a + b}\right)", rf"[{a},{a + b}]\cup({a + b + c},\infty)"),
        (rf"\{{{a},-{b},\frac{{{c}}}{{{d}}}\}}", rf"\left\{{\frac{{{2 * c}}}{{{2 * d}}}, {a}, -{b}\right\}}", rf"\{{{a},-{b}\}}"),
        (rf"\begin{{pmatrix}}{a}&\frac{{{b}}}{{2}}\\{c}&{d}\end{{pmatrix}}", rf"\begin{{bmatrix}}{a}&{b / 2}\\{c}&{d}\end{{bmatrix}}", rf"\begin{{pmatrix}}{a}&\frac{{{b}}}{{2}}\\{c}&{d + 1}\end{{pmatrix}}"),
        (rf"{a}\cos^2 x", rf"{a}-{a}\sin^2 x", rf"{a}-\sin^2 x"),
        (rf"\left({a},\frac{{{b}}}{{{c}}}\right)", rf"({a}.0, \frac{{{3 * b}}}{{{3 * c}}})", rf"\left(\frac{{{b}}}{{{c}}},{a + 70}\right)"),
        (rf"y={a}x+{b}", rf"{a}x-y+{b}=0", rf"y={b}x+{a + 70}"),
        (rf"{a}\ln {p}+\ln {b}", rf"\ln({p}^{{{a}}}\cdot {b})", rf"\ln({p}\cdot {b})"),
        (rf"{a}+{b}\sqrt{{{p}}}", rf"{b}\sqrt{{{p}}}+{a}", rf"{a}-{b}\sqrt{{{p}}}"),
        (rf"\frac{{{a}\pi}}{{{b}}}", rf"\frac{{{a}}}{{{b}}}\pi", rf"\frac{{{b}}}{{{a + 70}}}\pi"),
    ]  # fmt: skip


def hard(number: int, seed: int = 0) -> Iterator[Row]:
    """LaTeX answers, of each kind in turn, half of them near misses."""
    draw = random.Random(seed)
    while number > 0:
        for gold, same, near in _pairs(draw):
            right = draw.random() < 0.5
            yield rf"Therefore $\boxed{{{same if right else near}}}$.", gold, right
            number -= 1
            if number == 0:
                return


def cpu_s() -> float:
    """Of this process and of its ended children."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def measured(name: str, grader: Callable[[str, str], bool], rows: list[Row], close: Callable[[], None]) -> float:
    """Cases per CPU-second."""
    begin = cpu_s()
    right = sum(grader(response, gold) == expected for response, gold, expected in rows)
    close()
    rate = len(rows) / (cpu_s() - begin)
    print(f"{name:32} {len(rows):6} rows {rate:10.0f} cases/CPU-s   {right / len(rows):7.2%} as expected")
    return rate


def ours(response: str, gold: str) -> bool:
    return bool(grade(response, gold))


def math_verify() -> Callable[[str, str], bool] | None:
    try:
        from math_verify import parse, verify
    except ImportError:
        return None
    return lambda response, gold: bool(verify(parse(f"${gold}$"), parse(response)))


def _share(arguments: tuple[int, int]) -> int:
    number, seed = arguments
    return sum(ours(response, gold) == right for response, gold, right in easy(number, seed))


def two_processes(number: int) -> None:
    """Includes the making of the rows, which is told apart below."""
    seeds = [(number // 20, seed) for seed in range(20)]
    begin = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(2) as processes:
        right = sum(processes.imap_unordered(_share, seeds))
    wall = time.perf_counter() - begin
    begin = time.perf_counter()
    made = sum(1 for _ in easy(number // 20, 99))
    making = (time.perf_counter() - begin) * 20 / 2
    print(
        f"{made * 20} GSM8K-like rows on two processes: {wall:.0f} s wall, of which about {making:.0f} s made the rows"
    )
    print(f"{right / (made * 20):.2%} as expected")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, help="only grade so many GSM8K-like rows on two processes")
    rows = arguments.parse_args().rows
    if rows:
        return two_processes(rows)
    theirs = math_verify()
    if theirs is None:
        print('Math-Verify is not installed (pip install "r1[bench]"): only ours is measured')
    for name, all_rows, number in (
        ("GSM8K-like", list(easy(EASY)), THEIR_EASY),
        ("hard LaTeX", list(hard(HARD)), THEIR_HARD),
    ):
        rate = measured(f"{name}, ours", ours, all_rows, POOL.close)
        if theirs is not None:
            other = measured(f"{name}, Math-Verify", theirs, all_rows[:number], lambda: None)
            print(f"{name}: {rate / other:.1f} times Math-Verify's")
        if name == "GSM8K-like":
            print(f"800,000 such rows on two cores: {800_000 / rate / 2:.0f} s, projected")


if __name__ == "__main__":
    sys.exit(main())
