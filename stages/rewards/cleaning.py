"""An answer's text without what stands around the answer, and with one spelling for each character."""

import re

from stages.rewards.notation import CHARACTERS, SUBSCRIPTS, SUPERSCRIPTS

_LABEL = re.compile(
    r"(?:\\text ?\{ ?)?(?:the )?(?:final |correct )?answer(?: is ?:?|:) *\}? *|\\(?:approx|simeq|therefore)(?![A-Za-z]) ?",
    re.IGNORECASE,
)
_LOWERED = re.compile(f"[{''.join(SUBSCRIPTS)}]+")
_RAISED = re.compile(f"[{''.join(SUPERSCRIPTS)}]+")
_TIMES_TEN = re.compile(r"(?<=[0-9]) ?[xX] ?(?=10 ?(?:\^|\*\*))")
# TeX swallows the blank behind a command: `11,\! 111` is written as one number.
_SWALLOWED = re.compile(r"(?<=[0-9])(,?)\\[!,] +(?=[0-9]{3}(?![0-9]))")
_TEXT_COMMA = re.compile(r"(?<=[0-9])\\(?:text|mathrm|mbox) ?\{,\}(?=[0-9]{3}(?![0-9]))")
_PLAIN_RAISED, _PLAIN_LOWERED = str.maketrans(SUPERSCRIPTS), str.maketrans(SUBSCRIPTS)


def clean(text: str) -> str:
    """The text with one spelling for each character and without what stands around the whole answer."""
    if not text.isascii():
        text = _RAISED.sub(lambda run: "^{" + run[0].translate(_PLAIN_RAISED) + "}", text)
        text = _LOWERED.sub(lambda run: "_{" + run[0].translate(_PLAIN_LOWERED) + "}", text)
        text = text.translate(CHARACTERS)
    text = _TEXT_COMMA.sub("{,}", text)
    text = _SWALLOWED.sub(r"\1", _TIMES_TEN.sub("*", text)).replace("{:}", ":").strip()
    before = None
    while text != before:
        before = text
        text = _unwrapped(text)
    return text


def _unwrapped(text: str) -> str:
    """Without one layer of dollars, markdown, delimiters, closing punctuation or surrounding quotes."""
    for opening, closing in (
        ("$$", "$$"),
        ("$", "$"),
        ("\\(", "\\)"),
        ("\\[", "\\]"),
        ("**", "**"),
        ("`", "`"),
        ('"', '"'),
    ):
        inner = text[len(opening) : len(text) - len(closing)]
        whole = len(text) > len(opening) + len(closing) and text.startswith(opening) and text.endswith(closing)
        if whole and opening not in inner and not (closing == "$" and inner.endswith("\\")):
            return inner.strip()
    if label := _LABEL.match(text):
        return (
            text[label.end() :]
            if text.count("{") == text.count("}") == 0 or label[0].count("{") == label[0].count("}")
            else text
        )
    if text.startswith("=") and not text.startswith("=="):
        return text[1:].lstrip()
    if text.startswith("**") and text.count("*") == 2 and text.endswith((":", ".")) is False and "**" in text[2:]:
        return text.replace("**", "").strip()
    if text.endswith((".", ";", ",", "\\\\")) and not text.endswith(("..", "\\,", "\\;")):
        return text[: -2 if text.endswith("\\\\") else -1].rstrip()
    if text.endswith(("\\,", "\\;", "\\ ", "\\!")):
        return text[:-2].rstrip()
    return text
