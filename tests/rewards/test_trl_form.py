"""The rewards as TRL calls them: columns as keywords, texts or messages, None where a reward doesn't apply."""

import pytest

from stages.rewards.trl import chat_format_reward, code_reward, format_reward, language_reward, maths_reward

RIGHT = "<think>so 2+3</think><answer>5</answer>"
MESSAGES = [{"role": "assistant", "content": RIGHT}]


def test_texts_and_messages_earn_the_same() -> None:
    assert maths_reward(completions=[RIGHT, MESSAGES], answer=["5", "5"], prompts=["a", "b"]) == [1.0, 1.0]
    assert format_reward(completions=[RIGHT, MESSAGES, "5"]) == [1.0, 1.0, 0.0]


def test_the_gold_may_stand_in_either_column_and_be_missing() -> None:
    assert maths_reward(completions=[RIGHT, RIGHT], solution=["so \\boxed{5}", None]) == [1.0, None]
    with pytest.raises(ValueError, match="column"):
        maths_reward(completions=[RIGHT])


def test_an_unknown_verdict_is_left_out_of_the_sum() -> None:
    assert maths_reward(completions=[RIGHT], answer=["{"]) == [None]


def test_the_language_is_the_column_s_or_the_prompt_s() -> None:
    mixed = "<think>so 所以</think><answer>5</answer>"
    assert language_reward(completions=[mixed, RIGHT], prompts=["what is it", "多少"]) == [0.5, 0.0]
    assert language_reward(completions=[RIGHT], prompts=["多少"], language=["en"]) == [1.0]


def test_programs_are_run_after_the_thought() -> None:
    task = {"type": "stdin", "cases": [{"input": "3", "output": "6"}]}
    program = "<think>```python\nprint(0)\n```</think>\n```python\nprint(2 * int(input()))\n```"
    assert code_reward(completions=[program, "```python\nprint(5)\n```", RIGHT], task=[task, task, None]) == [
        1.0,
        0.0,
        None,
    ]


def test_each_form_has_its_format_reward() -> None:
    tagged, chat = (
        "<think>2+3</think><answer>5</answer>",
        [{"role": "assistant", "content": "<think>2+3</think>It is 5."}],
    )
    assert format_reward([tagged, chat]) == [1.0, 0.0]
    assert chat_format_reward([tagged, chat]) == [0.0, 1.0]
