"""Responses as HTML: reflective words marked, connectives tinted by language, tags faint."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from stages.contract.transcript import TAGS

_HAN = re.compile("[\u3400-\u9fff]")


@dataclass(frozen=True, kw_only=True)
class Words:
    """Which words are marked (reflective) and which are tinted (connectives)."""

    reflective: Sequence[str]
    connectives: Sequence[str]


def highlighted(text: str, words: Words) -> Markup:
    """A response with its words marked; everything else is escaped.

    >>> highlighted("<think>so 2 wait", Words(reflective=("wait",), connectives=("so",)))
    Markup('<i>&lt;think&gt;</i><b class="en">so</b> 2 <mark class="en">wait</mark>')
    """
    known = sorted({*words.reflective, *words.connectives}, key=lambda w: (-len(w), w))
    pattern = "|".join(
        [
            *map(re.escape, TAGS),
            *(rf"(?<![A-Za-z]){re.escape(w)}(?![A-Za-z])" if w.isascii() else re.escape(w) for w in known),
        ]
    )
    parts, end = [], 0
    for match in re.finditer(pattern, text, flags=re.IGNORECASE):
        found = match.group()
        language = "zh" if _HAN.search(found) else "en"
        parts.append(escape(text[end : match.start()]))
        if found in TAGS:
            parts.append(Markup("<i>{}</i>").format(found))
        elif found.lower() in words.reflective:
            parts.append(Markup('<mark class="{}">{}</mark>').format(language, found))
        else:
            parts.append(Markup('<b class="{}">{}</b>').format(language, found))
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])
