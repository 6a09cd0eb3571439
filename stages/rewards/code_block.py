"""The program in a response: the last fenced block of Markdown, or the whole text where there is none."""

import re

_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})([^\n]*)$")


def last_block(text: str) -> str:
    r"""The content of the last fenced block; a block that is not closed reaches to the end, as CommonMark has it.

    >>> last_block("Try:\n```python\nprint(1)\n```\nor\n```\nprint(2)\n```\nDone."), last_block("print(3)")
    ('print(2)\n', 'print(3)')
    """
    if "```" not in text and "~~~" not in text:
        return text
    blocks: list[list[str]] = []
    fence, indent = "", 0
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line.rstrip("\r\n"))
        if fence:
            if mark and mark[2][0] == fence[0] and len(mark[2]) >= len(fence) and not mark[3].strip():
                fence = ""
            else:
                blocks[-1].append(line[min(indent, len(line) - len(line.lstrip(" \t"))) :])
        elif mark and not (mark[2][0] == "`" and "`" in mark[3]):
            fence, indent = mark[2], len(mark[1])
            blocks.append([])
    return "".join(blocks[-1]) if blocks else text
