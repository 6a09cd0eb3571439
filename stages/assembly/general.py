"""General-capability rows: from somebody's record to a row of GENERAL, and from there to one that curation reads.

Paper: 2.3.3 and B.3.3 (writing, factual QA, self-cognition, translation and more: about 200K of the 800K rows; some with a
thought before the answer, simple ones without).
"""

from collections.abc import Mapping

import polars as pl

from stages.assembly.imported import Origin
from stages.contract.errors import UserError
from stages.contract.schemas import DEMANDS, EXAMPLES, GENERAL, content_id
from stages.contract.transcript import ANSWER, END_ANSWER, END_THINK, THINK, Template, split
from stages.curate.general import ASKED
from stages.curate.recipe import GRADED
from stages.curate.words import normalise
from stages.ingest.general import Demands
from stages.ingest.shapes import Parts, Response, clean
from stages.rewards.language import consistency, dominant
from stages.rewards.scripts import is_in, language_code

ROWS = {**EXAMPLES.columns, **GRADED, **ASKED}


def general_row(asked: Demands, row: Parts, response: Response, origin: Origin) -> dict[str, object]:
    """A row of GENERAL.

    Raises:
        UserError: the answer's language is none that is known.
    """
    language = language_code(asked.answer_language)
    if asked.answer_language and not language:
        raise UserError(
            f"{origin.label}: answer_language {asked.answer_language[:80]!r} is not known",
            hint="a code such as zh or de, or an English name: --value answer_language=zh",
        )
    found: dict[str, object] = {
        "r1_parents": [],
        "r1_op": "ingest",
        "task_id": content_id("prompt", [normalise(row.prompt)]),
        "category": asked.category,
        "language": dominant(row.prompt),
        "prompt": row.prompt,
        "response": clean(response.text),
        "thought": asked.thought,
        "answer_language": language,
        "references": asked.references,
        "safety": asked.safety,
        "quality": asked.quality,
        "num_tokens": row.num_tokens,
        **origin.of(row),
    }
    return {"r1_id": GENERAL.row_id(found), **found}


def graded_general(rows: pl.DataFrame, template: Template) -> pl.DataFrame:
    """Rows of GENERAL as rows for curation, their parents, in the form of the run's template."""
    return pl.DataFrame([_graded(row, template) for row in rows.iter_rows(named=True)], schema=ROWS)


def _graded(general: Mapping[str, object], template: Template) -> dict[str, object]:
    response, language = str(general["response"]), str(general["language"])
    said = split(response)
    thought, answer = (said.thought or "").strip(), _answer(response)
    wanted = str(general["answer_language"])
    row: dict[str, object] = {
        **{name: general[name] for name in ("task_id", "language", "prompt", "num_tokens", "source", *DEMANDS)},
        "r1_parents": [general["r1_id"]],
        "r1_op": "ingest",
        "r1_gen": None,
        "kind": "safety" if general["category"] == "safety" else "helpful",
        "family": general["category"],
        "response": in_form(thought, answer, template) if answer is not None else response,
        "verdict": "unknown",
        # Who thinks about a translation thinks in two languages.
        "language_consistency": 1.0 if general["category"] == "translation" else consistency(thought, language),
        "held_out": False,
        "license": general["license"],
        "said_thought": thought,
        "said_answer": answer or "",
        "in_language": not wanted or is_in(answer or "", wanted),
    }
    return {"r1_id": EXAMPLES.row_id(row), **row}


def _answer(response: str) -> str | None:
    """What stands behind the thought; None where the thought was never closed."""
    if THINK not in response:
        return response.strip()
    _, closed, answer = response.partition(END_THINK)
    return answer.strip().removeprefix(ANSWER).removesuffix(END_ANSWER).strip() if closed else None


def in_form(thought: str, answer: str, template: Template) -> str:
    """A general response as the run's other rows have it. In a chat, one without a thought is its answer alone.

    >>> in_form("", "Hello!", "chat"), in_form("so kind", "Hello!", "tiny")
    ('Hello!', '<think>so kind</think><answer>Hello!</answer>')
    """
    if template == "chat":
        return f"{THINK}{thought}{END_THINK}{answer}" if thought else answer
    return f"{THINK}{thought}{END_THINK}{ANSWER}{answer}{END_ANSWER}"
