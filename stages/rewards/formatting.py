"""The format reward: does the response keep to the template? Paper: section 2.2, value not printed (1 or 0 here)."""

from stages.contract.transcript import split


def format_reward(response: str) -> float:
    """1.0 for `<think>...</think><answer>...</answer>` with each tag once and nothing around them, else 0.0.

    >>> format_reward("<think>2+3</think> <answer>5</answer>"), format_reward("<answer>5</answer>")
    (1.0, 0.0)
    """
    return float(split(response).well_formed)
