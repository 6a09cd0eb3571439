"""The paper's names and figures for each stage, to stand beside a run's. Percent, as printed.

Stages: Table 3 of v2 (Table 2 in Nature). Students: Table 6 of v1 (Table 16 of v2), Qwen 32B.
The base's AIME figure is where R1-Zero's training curve starts.
"""

from collections.abc import Mapping

BENCHMARKS = ("AIME 2024", "MATH-500", "LiveCodeBench", "IF-Eval", "AlpacaEval 2")
NAMES = {
    "base": "V3-Base",
    "zero": "R1-Zero",
    "cold_sft": "R1 Dev1",
    "grpo": "R1 Dev2",
    "sft": "R1 Dev3",
    "align": "R1",
    "student": "student base",
    "student_zero": "student, RL only",
    "distill": "R1-Distill",
}
SCORES: Mapping[str, tuple[float | None, ...]] = {
    "base": (15.6, None, None, None, None),
    "zero": (77.9, 95.9, 50.0, 46.6, 24.7),
    "cold_sft": (59.0, 94.2, 57.5, 71.7, 50.1),
    "grpo": (74.0, 95.9, 63.5, 72.0, 55.8),
    "sft": (78.1, 95.4, 64.6, 78.1, 62.1),
    "align": (79.8, 97.3, 65.9, 83.3, 87.6),
    "student_zero": (47.0, 91.6, 40.2, None, None),
    "distill": (72.6, 94.3, 57.2, None, None),
}


def label(name: str) -> str:
    """How a model is called: the paper's name, with the student's.

    >>> label("align"), label("distill-small")
    ('R1', 'R1-Distill small')
    """
    kind, _, student = name.partition("-")
    known = NAMES.get(kind, kind)
    return (
        f"{known} {student}"
        if student and kind == "distill"
        else known.replace("student", f"student {student}")
        if student
        else known
    )
