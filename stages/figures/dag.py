"""The pipeline as a picture: hand-laid nodes, the paper's names, arrows from what a stage reads."""

from dataclasses import dataclass

WIDTH, HEIGHT, BOX = 1120, 404, (128, 46)


@dataclass(frozen=True, kw_only=True)
class Node:
    stage: str
    paper: str
    x: int
    y: int
    kind: str  # data | sft | rl | report


NODES = (
    Node(stage="prompts", paper="task pool", x=74, y=40, kind="data"),
    Node(stage="base", paper="V3-Base", x=74, y=200, kind="sft"),
    Node(stage="zero", paper="R1-Zero", x=240, y=120, kind="rl"),
    Node(stage="cold_start", paper="cold-start data", x=406, y=120, kind="data"),
    Node(stage="cold_sft", paper="R1 Dev1", x=560, y=200, kind="sft"),
    Node(stage="grpo", paper="R1 Dev2", x=714, y=120, kind="rl"),
    Node(stage="rejection", paper="800K set", x=874, y=120, kind="data"),
    Node(stage="sft", paper="R1 Dev3", x=714, y=272, kind="sft"),
    Node(stage="reward_model", paper="helpful, safety RM", x=880, y=210, kind="sft"),
    Node(stage="align", paper="R1", x=1046, y=272, kind="rl"),
    Node(stage="student", paper="student base", x=74, y=360, kind="sft"),
    Node(stage="student_zero", paper="student, RL only", x=300, y=360, kind="rl"),
    Node(stage="distill", paper="R1-Distill", x=560, y=360, kind="sft"),
    Node(stage="evaluate → report", paper="every model; this page", x=1000, y=360, kind="report"),
)
# What the eye needs; prompts also feed every sampling stage, which the legend says.
EDGES = (
    ("prompts", "base"), ("prompts", "zero"), ("base", "zero"), ("zero", "cold_start"), ("cold_start", "cold_sft"), ("base", "cold_sft"), ("cold_sft", "grpo"),
    ("grpo", "rejection"), ("rejection", "sft"), ("base", "sft"), ("sft", "reward_model"), ("reward_model", "align"), ("sft", "align"),
    ("student", "student_zero"), ("rejection", "distill"), ("student", "distill"), ("align", "evaluate → report"),
)  # fmt: skip


def dag() -> str:
    """The picture as inline SVG; its colours come from the page's style."""
    places = {node.stage: node for node in NODES}
    lines = "".join(_edge(places[a], places[b]) for a, b in EDGES)
    boxes = "".join(_box(node) for node in NODES)
    alt = "The pipeline: " + ", ".join(f"{a} to {b}" for a, b in EDGES)
    return (
        f'<svg role="img" aria-label="{alt}" class="dag" viewBox="0 0 {WIDTH} {HEIGHT}">'
        '<defs><marker id="dag-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        f'<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>{lines}{boxes}</svg>'
    )


def _box(node: Node) -> str:
    w, h = BOX if len(node.stage) < 13 and len(node.paper) < 17 else (BOX[0] + 38, BOX[1])
    return (
        f'<g class="node {node.kind}"><rect x="{node.x - w // 2}" y="{node.y - h // 2}" width="{w}" height="{h}" rx="8"/>'
        f'<text x="{node.x}" y="{node.y - 4}" class="paper">{node.paper}</text><text x="{node.x}" y="{node.y + 14}" class="stage">{node.stage}</text></g>'
    )


def _edge(a: Node, b: Node) -> str:
    """From the side of one box to the side of another, level at both ends."""
    if abs(a.x - b.x) < 20:
        down = 1 if b.y > a.y else -1
        return f'<path class="edge" d="M{a.x} {a.y + down * 23}V{b.y - down * 25}"/>'
    toward = 1 if b.x > a.x else -1
    x1, x2 = a.x + toward * _half(a), b.x - toward * (_half(b) + 2)
    if (a.stage, b.stage) in (("base", "sft"), ("base", "cold_sft")):
        return f'<path class="edge" d="M{x1} {a.y}C{x1 + 60} {a.y + (b.y - a.y) * 0.2:.0f} {x2 - 160} {b.y} {x2} {b.y}"/>'
    if (a.stage, b.stage) in (("rejection", "sft"), ("rejection", "distill")):
        x1, x2 = a.x - 20, b.x + _half(b) + 2
        return f'<path class="edge" d="M{x1} {a.y + 23}C{x1 - 20} {a.y + 90} {x2 + 60} {b.y - 6} {x2} {b.y}"/>'
    middle = (x1 + x2) // 2
    return f'<path class="edge" d="M{x1} {a.y}C{middle} {a.y} {middle} {b.y} {x2} {b.y}"/>'


def _half(node: Node) -> int:
    return (BOX[0] if len(node.stage) < 13 and len(node.paper) < 17 else BOX[0] + 38) // 2
