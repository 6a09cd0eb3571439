"""The pipeline as a picture: hand-laid boxes and arrows, the paper's names on the boxes."""

from dataclasses import dataclass

WIDTH, HEIGHT = 1130, 400
HALF_HEIGHT = 23


@dataclass(frozen=True, kw_only=True)
class Node:
    stage: str
    paper: str
    x: int
    y: int
    kind: str  # data | sft | rl | report

    @property
    def width(self) -> int:
        return max(128, 9 * max(len(self.paper), len(self.stage)))


NODES = (
    Node(stage="prompts", paper="task pool", x=80, y=40, kind="data"),
    Node(stage="base", paper="V3-Base", x=80, y=145, kind="sft"),
    Node(stage="zero", paper="R1-Zero", x=260, y=40, kind="rl"),
    Node(stage="cold_start", paper="cold-start data", x=430, y=40, kind="data"),
    Node(stage="cold_sft", paper="R1 Dev1", x=600, y=145, kind="sft"),
    Node(stage="grpo", paper="R1 Dev2", x=775, y=40, kind="rl"),
    Node(stage="rejection", paper="800K set", x=950, y=40, kind="data"),
    Node(stage="sft", paper="R1 Dev3", x=600, y=250, kind="sft"),
    Node(stage="reward_model", paper="helpful, safety RM", x=805, y=250, kind="sft"),
    Node(stage="align", paper="R1", x=1020, y=250, kind="rl"),
    Node(stage="student", paper="student base", x=80, y=360, kind="sft"),
    Node(stage="student_zero", paper="student, RL only", x=290, y=310, kind="rl"),
    Node(stage="distill", paper="R1-Distill", x=600, y=360, kind="sft"),
    Node(stage="evaluate, report", paper="every model; this page", x=1020, y=360, kind="report"),
)
# (from, to, the arrow's way). Prompts also feed every stage that samples; the page says so.
EDGES = (
    ("prompts", "base", "M80 63V120"),
    ("prompts", "zero", "M144 40H194"),
    ("base", "zero", "M144 138C190 138 240 120 258 65"),
    ("zero", "cold_start", "M324 40H360"),
    ("cold_start", "cold_sft", "M498 40C560 40 596 70 600 120"),
    ("base", "cold_sft", "M144 145H534"),
    ("base", "sft", "M144 152C300 156 400 250 534 250"),
    ("cold_sft", "grpo", "M664 145C720 145 765 120 773 65"),
    ("grpo", "rejection", "M839 40H884"),
    ("rejection", "sft", "M950 63V187Q950 197 940 197H610Q600 197 600 207V225"),
    ("rejection", "distill", "M940 197H510Q500 197 500 207V350Q500 360 510 360H534"),
    ("sft", "reward_model", "M664 250H722"),
    ("reward_model", "align", "M886 250H954"),
    ("sft", "align", "M640 273C680 310 940 310 984 275"),
    ("student", "student_zero", "M144 350C180 350 170 310 216 310"),
    ("student", "distill", "M144 368H534"),
    ("align", "evaluate, report", "M1020 273V335"),
)


def dag() -> str:
    """The picture as inline SVG; its colours come from the page's style."""
    lines = "".join(f'<path class="edge" d="{way}"/>' for _, _, way in EDGES)
    boxes = "".join(_box(node) for node in NODES)
    alt = "The pipeline: " + ", ".join(f"{a} to {b}" for a, b, _ in EDGES)
    return (
        f'<svg role="img" aria-label="{alt}" class="dag" viewBox="0 0 {WIDTH} {HEIGHT}">'
        '<defs><marker id="dag-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        f'<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>{lines}{boxes}</svg>'
    )


def _box(node: Node) -> str:
    left, top = node.x - node.width // 2, node.y - HALF_HEIGHT
    return (
        f'<g class="node {node.kind}"><rect x="{left}" y="{top}" width="{node.width}" height="{2 * HALF_HEIGHT}" rx="8"/>'
        f'<text x="{node.x}" y="{node.y - 4}" class="paper">{node.paper}</text><text x="{node.x}" y="{node.y + 14}" class="stage">{node.stage}</text></g>'
    )
