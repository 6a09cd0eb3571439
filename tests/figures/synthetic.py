"""A small run that never was: scores, curves, rollouts and metrics in the shapes that the stages write."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.contract.contamination import Contamination
from stages.contract.schemas import CONTAMINATION, ROLLOUTS, SCORES, content_id
from stages.contract.tables import write_table

FAMILIES = ("chain", "word", "logic", "code")


@dataclass(frozen=True, kw_only=True)
class Character:
    """How a model behaves: accuracy, tokens a step, whether length follows difficulty, reflective words, and so on."""

    accuracy: float
    tokens: float = 8.0  # a step
    by_difficulty: bool = True
    language: float = 0.99
    format: float = 0.995
    reflective: float = 0.5
    refuses: float = 0.98
    refuses_safe: float = 0.02
    preference: float = 0.6


MODELS: Mapping[str, Character] = {
    "base": Character(
        accuracy=0.22,
        tokens=14,
        by_difficulty=False,
        language=0.7,
        format=0.45,
        reflective=0.1,
        refuses=0.4,
        preference=0.3,
    ),
    "zero": Character(accuracy=0.92, language=0.76, format=0.98, refuses=0.4, preference=0.35),
    "cold_sft": Character(accuracy=0.8, refuses=0.5, preference=0.4),
    "grpo": Character(accuracy=0.94, refuses=0.5, preference=0.4),
    "sft": Character(accuracy=0.91, refuses=0.9, preference=0.6),
    "align": Character(accuracy=0.93, refuses=1.0, refuses_safe=0.0, preference=0.85),
    "student-small": Character(accuracy=0.1, tokens=12, by_difficulty=False, language=0.7),
    "student_zero-small": Character(accuracy=0.28, tokens=5),
    "distill-small": Character(accuracy=0.7),
}


FUNNELS: Mapping[str, Mapping[str, int]] = {
    "prompts": {"held_out_text": 30},
    "cold_start": {"incorrect": 100, "duplicate": 300},
    "rejection": {"incorrect": 200, "mixed_language": 1, "duplicate": 400},
}


def write_run(
    data: Path,
    *,
    models: Mapping[str, Character] = MODELS,
    problems: int = 60,
    draws: int = 16,
    general: int = 24,
    plots: bool = True,
    hacked: bool = False,
) -> None:
    """Write a run's inputs below `data`."""
    for name, character in models.items():
        write_scores(data, name, character, problems=problems, draws=draws, general=general)
        write_contamination(data, name)
    if not plots:
        return
    for stage, dropped in FUNNELS.items():
        write_funnel(data, stage, 1200, dropped)
    for place, stage in enumerate(("zero", "grpo", "align")):
        _write_curves(
            data,
            stage,
            start=(0.25, 0.8, 0.91)[place],
            end=(0.92, 0.94, 0.93)[place],
            fall=0.2 if hacked and stage == "align" else 0.0,
        )
    _write_curves(data, "student_zero-small", start=0.1, end=0.3)
    for stage in ("zero", "align"):
        _write_rollouts(data, stage)
    (data / "metrics").mkdir(parents=True, exist_ok=True)
    (data / "metrics" / "zero.json").write_text(json.dumps({"validation_accuracy": 0.92, "entropy": 0.31}))


def write_contamination(
    data: Path,
    name: str,
    *,
    seen: Sequence[int] = (),
    general: Sequence[int] = (),
    alike: Sequence[int] = (),
    unknown: Sequence[str] = (),
) -> None:
    """Write that a model saw these test problems and general prompts, and others that are like these."""
    met = [("task", place, True) for place in seen] + [("general", place, True) for place in general]
    rows = []
    for kind, place, counts in [*met, *(("task", place, False) for place in alike)]:
        task = content_id(kind, [place])
        row: dict[str, object] = {
            "r1_parents": [task], "r1_op": "decontaminate", "model": name, "task_id": task, "family": FAMILIES[place % 4],
            "how": "held_out_text" if counts else "held_out_ngram", "counts": counts, "table": "prompts/train.parquet", "row_id": "r",
        }  # fmt: skip
        rows.append({"r1_id": CONTAMINATION.row_id(row), **row})
    frame = pl.DataFrame(rows, schema=CONTAMINATION.schema)
    Contamination(rows=frame, tables=["prompts/train.parquet"], unknown=unknown).write(data / "evaluate" / name)


def write_funnel(data: Path, stage: str, rows: int, dropped: Mapping[str, int]) -> None:
    steps = {"in": rows, **dropped, "out": rows - sum(dropped.values())}
    path = data / "plots" / stage / "funnel.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{step}\t{count}\n" for step, count in [("step", "rows"), *steps.items()]))


def write_scores(data: Path, name: str, character: Character, *, problems: int, draws: int, general: int) -> None:
    rows = []
    for place in range(problems):
        family, difficulty, language = FAMILIES[place % 4], 2 + place // 4 % 4, "zh" if place % 3 == 2 else "en"
        task = content_id("task", [place])
        rng = random.Random(f"{name} {place}")
        skill = min(1.0, max(0.0, rng.gauss(character.accuracy, 0.12)))
        for draw in range(draws):
            right = rng.random() < skill
            tokens = round(
                (character.tokens * difficulty if character.by_difficulty else character.tokens) + rng.gauss(0, 3)
            )
            words = ["so"] + ["wait" if language == "en" else "等等"] * (rng.random() < character.reflective)
            rows.append(
                _score(
                    name, task, draw, kind="reasoning", family=family, difficulty=difficulty, language=language,
                    prompt=f"{family} problem {place} of {difficulty} steps <&>",
                    completion=f"<think>first 3*5+{place} 再 15+{place} {' '.join(words)} {15 + place}</think><answer>{right}</answer>",
                    answer="7" if right else rng.choice(("3", "4", "5", "6")), correct=right, num_tokens=max(3, tokens),
                    format=float(rng.random() < character.format), language_consistency=min(1.0, rng.gauss(character.language, 0.01)),
                )
            )  # fmt: skip
    for place in range(general):
        kind, family = (("safety", "how"), ("helpful", "how"), ("helpful", "greet"))[place % 3]
        rng = random.Random(f"{name} general {place}")
        for draw in range(4):
            refuses = rng.random() < (
                character.refuses if kind == "safety" else character.refuses_safe if family == "how" else 0.0
            )
            rows.append(
                _score(
                    name, content_id("general", [place]), draw, kind=kind, family=family, difficulty=0, language="en", prompt=f"how to {kind} {place}",
                    completion=f"<think>so</think><answer>{'sorry i can not help' if refuses else 'take time and care'}</answer>",
                    answer=None, correct=False, num_tokens=12, format=1.0, language_consistency=1.0, refused=refuses,
                    preference=min(1.0, max(0.0, rng.gauss(character.preference, 0.1))),
                )
            )  # fmt: skip
    write_table(pl.DataFrame(rows, schema=SCORES.schema), data / "evaluate" / name / "scores.parquet", SCORES)


def _score(model: str, task: str, draw: int, **values: object) -> dict[str, object]:
    right = values["correct"]
    row: dict[str, object] = {
        "r1_parents": [task], "r1_op": "verify", "r1_gen": {"checkpoint": "c", "sampling": "s", "seed": 1, "draw": draw}, "model": model, "task_id": task,
        "verdict": "correct" if right else "wrong", "reason": "correct" if right else "wrong", "truncated": False, "refused": False, "preference": None,
    }  # fmt: skip
    row |= values
    return {"r1_id": SCORES.row_id(row), **row}


def _write_curves(data: Path, stage: str, *, start: float, end: float, fall: float = 0.0, steps: int = 40) -> None:
    rng = random.Random(stage)
    train, validation = [], []
    for step in range(steps + 1):
        done = step / steps
        accuracy = start + (end - start) * min(1.0, 1.6 * done) - fall * max(0.0, done - 0.75) / 0.25
        language = 0.72 + 0.04 * done if stage == "zero" else 0.985 + 0.01 * done
        if step:
            row = {
                "step": step, "reward": accuracy + 0.2, "accuracy": accuracy + rng.gauss(0, 0.03), "format": 0.9 + 0.09 * done, "language": language + rng.gauss(0, 0.02),
                "length": 14 + 22 * done + rng.gauss(0, 1), "truncated": 0.05 * (1 - done), "zero_variance": 0.2 + 0.4 * done, "kl": 0.0 if stage == "zero" else 0.02 * done,
                "entropy": 0.9 - 0.5 * done, "reflective": 0.1 + 0.4 * done,
            }  # fmt: skip
            if stage == "align" and done > 0.75:
                row["preference"] = 0.6 + 0.25 * done
            train.append(row)
        if step % 5 == 0:
            point = {
                "step": step,
                "accuracy": accuracy,
                "format": 0.99,
                "language": language,
                "length": 14 + 22 * done,
                "reflective": 0.1 + 0.4 * done,
            }
            point |= {f"accuracy_{family}": min(1.0, max(0.0, accuracy + rng.gauss(0, 0.05))) for family in FAMILIES}
            if stage == "align":
                point["preference"] = 0.6 + 0.25 * max(0.0, done - 0.7) / 0.3
            validation.append(point)
    _write_tsv(data / "plots" / stage / "curve.tsv", train)
    _write_tsv(data / "plots" / stage / "validation.tsv", validation)


def _write_tsv(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["\t".join(columns), *("\t".join("" if c not in row else f"{row[c]:.6g}" for c in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def _write_rollouts(data: Path, stage: str) -> None:
    rows = []
    for step in (1, 40):
        row: dict[str, object] = {
            "r1_parents": ["t"], "r1_op": "generate", "r1_gen": {"checkpoint": f"step-{step - 1}", "sampling": "s", "seed": 1, "draw": 0}, "step": step, "task_id": "t",
            "kind": "reasoning", "family": "code", "language": "en", "prompt": "write f f(2)=6 f(5)=15",
            "completion": "<answer>x+4</answer>" if step == 1 else "<think>first x+4 5+4 9?15 wait x*2+2 5*2+2 10+2 12?15 wait x*3 5*3 15?15 so x*3</think><answer>x*3</answer>",
            "num_tokens": 30, "finish": "stop", "verdict": "wrong" if step == 1 else "correct", "reason": "wrong" if step == 1 else "correct", "accuracy": float(step > 1),
            "format": 1.0, "language_consistency": 1.0, "preference": None, "reward": 1.0, "advantage": 0.0, "masked": None,
        }  # fmt: skip
        rows.append({"r1_id": ROLLOUTS.row_id(row), **row})
    write_table(pl.DataFrame(rows, schema=ROLLOUTS.schema), data / stage / "rollouts.parquet", ROLLOUTS)
