"""One colour a model, in every figure, for light and dark pages.

Matplotlib draws with the light colours; `themed` turns each into a CSS variable that the page defines twice.
"""

import re

INK, MUTED, GRID = "#1c2330", "#5a6473", "#d9dee6"
LIGHT = {
    "ink": INK,
    "muted": MUTED,
    "grid": GRID,
    "base": "#7a7f87",
    "zero": "#1f6fd0",
    "cold_sft": "#c99a06",
    "grpo": "#d2601a",
    "sft": "#2a9d9d",
    "align": "#16803a",
    "student": "#a58bc9",
    "student_zero": "#c2418f",
    "distill": "#6b3fb5",
    "other": "#8c6d46",
}
DARK = {
    "ink": "#e8ecf2",
    "muted": "#a4afbd",
    "grid": "#323a47",
    "base": "#a3a9b3",
    "zero": "#63a6f7",
    "cold_sft": "#e8c04a",
    "grpo": "#f39255",
    "sft": "#55c8c8",
    "align": "#4fbf73",
    "student": "#c5b1e3",
    "student_zero": "#ec7fc0",
    "distill": "#a98af0",
    "other": "#c9a77a",
}
_NAME = {value: name for name, value in LIGHT.items()}
_COLOUR = re.compile("|".join(_NAME))


def colour(model: str) -> str:
    """A model's colour; students share their kind's.

    >>> colour("distill-small") == colour("distill-large") != colour("zero")
    True
    """
    return LIGHT.get(model.partition("-")[0], LIGHT["other"])


def themed(svg: str) -> str:
    """An SVG whose colours follow the page's theme.

    >>> themed("stroke: #1f6fd0")
    'stroke: var(--zero)'
    """
    return _COLOUR.sub(lambda match: f"var(--{_NAME[match.group()]})", svg)
