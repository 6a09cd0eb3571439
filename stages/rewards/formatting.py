"""The format reward: does the response keep to the template? Paper: section 2.2, value not printed (1 or 0 here)."""

from stages.contract.transcript import Template, split


def format_reward(response: str, template: Template = "tiny") -> float:
    """1.0 for a response that is well formed under the template (transcript.py defines each one's form), else 0.0.

    >>> format_reward("<think>2+3</think> <answer>5</answer>"), format_reward("<answer>5</answer>")
    (1.0, 0.0)
    >>> format_reward("<think>2+3</think> It is 5.", "chat"), format_reward("<think>2+3</think> It is 5.", "r1_zero")
    (1.0, 0.0)
    """
    return float(split(response, template).well_formed)
