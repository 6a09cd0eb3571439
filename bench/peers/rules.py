"""bench/curation.py's filters for the peers, in plain Python: what a user of them would write. No import of r1."""

import re

MAX_PARAGRAPH, MAX_REPETITION, MIN_LANGUAGE, MAX_TOKENS = 4000, 0.5, 0.9, 20_000
_WORD = re.compile(r"\w+")


def keeps(row: dict) -> bool:
    """Whether a row passes all filters."""
    text = row["response"]
    reasoning = row["kind"] == "reasoning"
    if reasoning and row["verdict"] != "correct":
        return False
    if "<think>" in text and "</think>" not in text:
        return False
    if reasoning and not well_formed(text):
        return False
    if row["language_consistency"] < MIN_LANGUAGE:
        return False
    thought = text.partition("<think>")[2].partition("</think>")[0]
    if "```" in thought or "~~~" in thought:
        return False
    if max(len(paragraph.strip()) for paragraph in thought.replace("\r\n", "\n").split("\n\n")) > MAX_PARAGRAPH:
        return False
    return row["num_tokens"] <= MAX_TOKENS and repeated_share(text) <= MAX_REPETITION


def well_formed(text: str) -> bool:
    before, _, rest = text.partition("<think>")
    _, closed, after = rest.partition("</think>")
    head, opened, tail = after.rpartition("<answer>")
    _, ended, behind = tail.partition("</answer>")
    tags = all(text.count(tag) == 1 for tag in ("<think>", "</think>", "<answer>", "</answer>"))
    return bool(closed and opened and ended and tags and not (before.strip() or head.strip() or behind.strip()))


def repeated_share(text: str, n: int = 4) -> float:
    words = _WORD.findall(text.lower())
    total = len(words) - n + 1
    return 1 - len(set(zip(*(words[i:] for i in range(n)), strict=False))) / total if total > 0 else 0.0
