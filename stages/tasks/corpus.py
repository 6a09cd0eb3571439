"""The embedded world as tables: tasks of every kind, and the documents that the base model reads."""

import json
import random
from collections.abc import Iterator

import polars as pl

from stages.contract.errors import UserError
from stages.contract.params import World
from stages.contract.schemas import DOCUMENTS, TASKS, content_id
from stages.contract.transcript import END, render
from stages.tasks.documents import fact, page, textbook
from stages.tasks.general import GeneralPrompt, all_prompts, reply
from stages.tasks.problems import FAMILIES, Problem, draw, state_id, states_in

MAX_DRAWS = 200  # draws a wanted problem; a world that repeats itself more often is too small
SOURCE = {"source": "r1/embedded-world", "revision": "1", "license": "Apache-2.0"}


def problem_row(problem: Problem) -> dict[str, object]:
    """A problem as a row of the task pool."""
    row: dict[str, object] = {
        "r1_parents": [],
        "r1_op": "template",
        "kind": "reasoning",
        "family": problem.family,
        "difficulty": problem.difficulty,
        "language": problem.language,
        "prompt": problem.question,
        "answer": problem.answer,
        "tests": json.dumps(problem.tests) if problem.tests else "",
        "states": problem.states,
        **SOURCE,
    }
    return {"r1_id": TASKS.row_id(row), **row}


def _check(world: World) -> None:
    unknown = sorted(set(world.families) - set(FAMILIES))
    if unknown:
        raise UserError(f"world.families: {unknown[0]!r} is not one of {', '.join(FAMILIES)}", hint="edit params.yaml")
    if min(world.families.values(), default=0.0) < 0 or not sum(world.families.values()) > 0:
        raise UserError(
            "world.families: the shares must not be negative, and some must be above 0", hint="edit params.yaml"
        )
    least = 2 if world.families.get("code") else 1  # code has no easier problem than a slope of 1
    if not world.difficulties or min(world.difficulties) < least:
        raise UserError(f"world.difficulties must be numbers of at least {least}", hint="edit params.yaml")


def problem_tasks(world: World, count: int, *, seed: str) -> pl.DataFrame:
    """`count` problems no two of which share their question's key.

    Raises:
        UserError: an impossible world, or one with too few different problems.
    """
    _check(world)
    rng = random.Random(seed)
    rows: dict[str, dict[str, object]] = {}
    for _ in range(MAX_DRAWS * count):
        if len(rows) == count:
            break
        problem = draw(rng, families=world.families, difficulties=world.difficulties, chinese=world.chinese)
        rows.setdefault(problem.question_key, problem_row(problem))
    if len(rows) < count:
        raise UserError(
            f"the world has too few different problems: {len(rows)} found, {count} wanted",
            hint="lower prompts.train, or raise world.difficulties",
        )
    return pl.DataFrame(list(rows.values()), schema=TASKS.schema)


def general_row(prompt: GeneralPrompt) -> dict[str, object]:
    """A general prompt as a row of the task pool; `answer` says whether the guideline calls it unsafe."""
    row: dict[str, object] = {
        "r1_parents": [],
        "r1_op": "template",
        "kind": prompt.kind,
        "family": prompt.family,
        "difficulty": 0,
        "language": prompt.language,
        "prompt": prompt.question,
        "answer": ("unsafe" if prompt.unsafe else "safe") if prompt.kind == "safety" else "",
        "tests": "",
        "states": [state_id(prompt.question)],
        **SOURCE,
    }
    return {"r1_id": TASKS.row_id(row), **row}


def general_tasks(*, seed: int, held_out: float) -> dict[str, pl.DataFrame]:
    """The general prompts, split by subject so that no subject stands in two splits.

    Returns `general` for training, `general_validation` and `general_test`; each of the held-out ones
    takes a share `held_out` of the subjects.
    """
    prompts = all_prompts()
    subjects = sorted({(p.family, p.subject) for p in prompts})
    random.Random(seed).shuffle(subjects)
    cut = round(len(subjects) * held_out)
    place = {subject: "general_test" for subject in subjects[:cut]}
    place |= {subject: "general_validation" for subject in subjects[cut : 2 * cut]}
    rows: dict[str, list[dict[str, object]]] = {"general": [], "general_validation": [], "general_test": []}
    for prompt in prompts:
        rows[place.get((prompt.family, prompt.subject), "general")].append(general_row(prompt))
    return {name: pl.DataFrame(part, schema=TASKS.schema) for name, part in rows.items()}


def documents(world: World, *, seed: int, held_out: frozenset[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pre-training documents, (kept, dropped). A document that shows a held-out state is dropped.

    Question-answer pages grow from 30% to 60% of the documents over the first half: facts first.
    `held_out`: hashes of the held-out problems and general prompts (the first of each task's `states`).
    """
    kept: list[dict[str, object]] = []
    dropped: list[dict[str, object]] = []
    for form, family, text, shown in _documents(world, seed):
        row: dict[str, object] = {
            "r1_id": content_id("documents", [text]),
            "r1_parents": [],
            "r1_op": "template",
            "form": form,
            "family": family,
            "text": text,
            **SOURCE,
        }
        if shown & held_out:
            dropped.append({**row, "r1_drop": "held_out_state"})
        else:
            kept.append(row)
    return (
        pl.DataFrame(kept, schema=DOCUMENTS.schema),
        pl.DataFrame(dropped, schema=DOCUMENTS.rejected().schema),
    )


def _documents(world: World, seed: int) -> Iterator[tuple[str, str, str, set[str]]]:
    """(form, family, text, hashes of what it shows)."""
    rng = random.Random(f"{seed} documents")
    prompts = all_prompts()
    for number in range(world.documents):
        pages = 0.3 + 0.3 * min(1.0, 2 * number / world.documents)
        if rng.random() < world.general:
            prompt = rng.choice(prompts)
            text = render(prompt.question, "tiny") + reply(rng, prompt, quality=0.4)
            yield "general", prompt.family, text + END, {state_id(prompt.question)}
            continue
        paged = rng.random() < pages
        if not paged and rng.random() < 0.5:
            yield "fact", "fact", fact(rng) + END, set()
            continue
        problem = draw(rng, families=world.families, difficulties=world.difficulties, chinese=world.chinese)
        if paged:
            form, text = page(rng, problem)
            text = text.removesuffix(END)
        else:
            form, text = "textbook", textbook(problem)
        # A story shows its expression as little as a bare answer shows its steps; the problem itself always counts.
        yield form, problem.family, text + END, states_in(text) | {state_id(problem.question_key)}
