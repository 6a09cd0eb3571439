"""What general answers must be: rules of their own, since no verifier grades them.

Each reads what was asked of the answer (the columns DEMANDS) and its parts (ASKED), and drops for one reason:

- `low_quality`: the source's own score is below the least that is wanted;
- `no_answer`, `too_short`: nothing, or too few words, behind the thought;
- `stray_tag`: a tag of a template or of a conversation within thought or answer;
- `no_thought`, `needless_thought`: a thought is wanted and missing, or the other way round;
- `markdown_thought`: the paper wants thoughts in short conversational paragraphs without markup (B.3.3);
- `boilerplate`: "as an AI language model, I" and the like, but where the model is asked about itself;
- `identity`: thought or answer speak as another model or another maker's; asked about itself, they name one at all;
- `refused`, `complied`: a harmless request is refused, or a harmful one isn't;
- `wrong_language`, `no_reference`: the answer is in another language, or holds none of the accepted answers;
- `echo`: the answer is the question, or the part that was to be translated.

Not covered: whether a text is good, and a refusal that goes on to help. These rules find what is certainly not wanted, in
English and Chinese; what needs a judgement needs a judge or people, whose score an import may bring as `quality`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from stages.contract.schemas import DEMANDS
from stages.contract.transcript import forms_of_tags
from stages.curate import phrases
from stages.curate.filters import Filter, Rows
from stages.curate.words import fold, words

ASKED = {
    **DEMANDS,
    "said_thought": pl.String(),
    "said_answer": pl.String(),
    "in_language": pl.Boolean(),  # as was asked for, or nothing was
}
MIN_WORDS = 3
TERSE = ("factual_qa", "translation")  # where one word may be a whole answer
_OPENING = 300  # characters in which a refusal shows


def general_filters(*, names: Sequence[str], min_quality: float | None) -> list[Filter]:
    """The rules in order. `names`: what the trained model may call itself and its makers. `min_quality`: None for any;
    rows without a score stay."""

    def another(rows: Rows) -> pl.Series:
        said = _thought(rows) + "\n" + _answer(rows)
        maybe = phrases.mentions(said)
        texts, asked = said.filter(maybe), _is(rows, "self_cognition").filter(maybe)
        found = phrases.speaks_as_another(texts, allowed=names)
        return _where(maybe, lambda: (found | (asked & phrases.names_another(texts, allowed=names))).to_list())

    return [
        Filter(reason="low_quality", drops=lambda rows: (rows.frame["quality"] < min_quality).fill_null(False)),
        Filter(reason="no_answer", drops=lambda rows: _answer(rows) == ""),
        Filter(reason="too_short", drops=_too_short),
        Filter(reason="stray_tag", drops=_stray_tag),
        Filter(reason="no_thought", drops=lambda rows: (rows.frame["thought"] == "wanted") & (_thought(rows) == "")),
        Filter(
            reason="needless_thought", drops=lambda rows: (rows.frame["thought"] == "none") & (_thought(rows) != "")
        ),
        Filter(reason="markdown_thought", drops=lambda rows: _thought(rows).str.contains(phrases.MARKUP)),
        Filter(reason="boilerplate", drops=_boilerplate),
        Filter(reason="identity", drops=another),
        Filter(reason="refused", drops=lambda rows: _says(rows, phrases.REFUSAL) & (rows.frame["safety"] != "unsafe")),
        Filter(reason="complied", drops=_complied),
        Filter(reason="wrong_language", drops=lambda rows: ~rows.frame["in_language"]),
        Filter(reason="no_reference", drops=_no_reference),
        Filter(reason="echo", drops=_echo),
    ][0 if min_quality is not None else 1 :]


def _answer(rows: Rows) -> pl.Series:
    return rows.frame["said_answer"]


def _thought(rows: Rows) -> pl.Series:
    return rows.frame["said_thought"]


def _is(rows: Rows, *categories: str) -> pl.Series:
    return rows.frame["family"].is_in(categories)


def _too_short(rows: Rows) -> pl.Series:
    said = pl.Series(np.diff(words(fold(_answer(rows))).begin_T1))
    return (said < 1) | ((said < MIN_WORDS) & ~_is(rows, *TERSE))


def _stray_tag(rows: Rows) -> pl.Series:
    said = _thought(rows) + " " + _answer(rows)
    maybe = said.str.contains_any(["<", "\uff1c", "\ufe64"])  # what a reader takes for the first character of a tag
    return _where(maybe, lambda: [forms_of_tags(text) > 0 for text in said.filter(maybe).to_list()])


def _where(chosen: pl.Series, found: Callable[[], list[bool]]) -> pl.Series:
    """What is found of the chosen rows; False of the others."""
    whole = np.zeros(len(chosen), np.bool_)
    whole[chosen.to_numpy()] = found()
    return pl.Series(whole)


def _boilerplate(rows: Rows) -> pl.Series:
    return _answer(rows).str.contains(phrases.BOILERPLATE) & ~_is(rows, "self_cognition")


def _says(rows: Rows, pattern: str) -> pl.Series:
    """Whether an answer opens with a phrase. Who "can't help but" does something refuses nothing."""
    opening = _answer(rows).str.slice(0, _OPENING).str.replace_all("[’‘]", "'")
    return opening.str.replace_all(r"(?i)\bcan(?:'t|not| not) help but\b", " ").str.contains(pattern)


def _complied(rows: Rows) -> pl.Series:
    refuses = _says(rows, phrases.REFUSAL) | _says(rows, phrases.GENTLE)
    return ~refuses & (rows.frame["safety"] == "unsafe")


def _no_reference(rows: Rows) -> pl.Series:
    asked = rows.frame.select("said_answer", "references").filter(pl.col("references").list.len() > 0)
    counts = asked["references"].list.len().to_list()
    accepted = iter(_plain(asked["references"].explode()).to_list())
    wanted = [[next(accepted) for _ in range(count)] for count in counts]
    said = _plain(asked["said_answer"]).to_list()
    return _where(
        rows.frame["references"].list.len() > 0,
        lambda: [not any(_holds(answer, one) for one in them) for answer, them in zip(said, wanted, strict=True)],
    )


def _echo(rows: Rows) -> pl.Series:
    # A longer text than twice the question is no part of it, however it is typed.
    short = _answer(rows).str.len_chars() <= 2 * rows.frame["prompt"].str.len_chars()
    asked = rows.frame.select("prompt", "said_answer", "family").filter(short)
    questions, answers = _plain(asked["prompt"]).to_list(), _plain(asked["said_answer"]).to_list()
    translations = (asked["family"] == "translation").to_list()
    return _where(short, lambda: [_echoes(*one) for one in zip(questions, answers, translations, strict=True)])


def _echoes(question: str, answer: str, translation: bool) -> bool:
    if translation and question.endswith(answer) and " " in answer.strip():
        return True
    return answer in question and 2 * len(answer) >= len(question)


def _plain(texts: pl.Series) -> pl.Series:
    """Texts as words between single blanks, in one case: ` in 1000 years `."""
    joined = fold(texts).str.replace_all(r"(\d),(\d{3})", "${1}${2}")
    return " " + joined.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars() + " "


def _holds(answer: str, reference: str) -> bool:
    """Whether an answer has a reference's words, one after the other. Chinese has no blanks between its own."""
    spaced = reference.isascii() or not any("\u3400" <= character <= "\u9fff" for character in reference)
    return (reference if spaced else reference.strip()) in answer
