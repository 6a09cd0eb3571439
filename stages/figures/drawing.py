"""What all figures share: their style and size, and how a drawing becomes inline SVG: the same bytes for the same numbers
(salted ids, no date, no version, glyphs as paths).

Only Figure objects, never pyplot: there is no state between figures and no window system.
"""

import io
import re
from dataclasses import dataclass

from matplotlib.figure import Figure

from stages.figures.palette import GRID, INK, MUTED, themed

STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "r1",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
HALF, WHOLE = (5.8, 3.5), (11.6, 3.4)  # inches


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawn figure. `svg` is empty where the run lacks what it needs, and the caption says what."""

    key: str
    title: str
    caption: str
    alt: str
    svg: str = ""
    wide: bool = False


def canvas(size: tuple[float, float]) -> Figure:
    return Figure(figsize=size, layout="constrained")


def done(figure: Figure, key: str, title: str, caption: str, *, wide: bool = False) -> Chart:
    alt = f"{title}. {caption}".replace('"', "'").replace("<", "less than ").replace("&", "and")
    return Chart(key=key, title=title, caption=caption, alt=alt, svg=_svg(figure, key, alt), wide=wide)


def missing(key: str, title: str, what: str, *, wide: bool = False) -> Chart:
    return Chart(key=key, title=title, caption=f"Not in this run: {what}.", alt=f"{title}: not in this run", wide=wide)


def _svg(figure: Figure, key: str, alt: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    body = buffer.getvalue()
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    # Ids must be unique in the page that all figures share.
    body = re.sub(r'\bid="', f'id="{key}-', body)
    body = re.sub(r'href="#', f'href="#{key}-', body).replace("url(#", f"url(#{key}-")
    body = re.sub(r' (?:width|height)="[^"]*pt"', "", body, count=2).replace(
        ' xmlns:xlink="http://www.w3.org/1999/xlink"', ""
    )
    body = body.replace(' xmlns="http://www.w3.org/2000/svg"', "").replace("xlink:href", "href")
    return themed(body.replace("<svg", f'<svg role="img" aria-label="{alt}"', 1)).strip()
