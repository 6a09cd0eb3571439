"""Splitting a response: an answer counts only where it is closed, after the thought; format only if nothing is off."""

import pytest

from stages.contract.transcript import Transcript, render, split

WELL = "<think>2+3</think><answer>5</answer>"


@pytest.mark.parametrize(
    "response",
    [
        WELL,
        " \n<think>2+3</think>\r\n\t<answer> 5 </answer>\n",
        "<think>2+3</think>\u00a0<answer>5</answer>",  # a no-break space is white space
    ],
)
def test_well_formed(response: str) -> None:
    assert split(response) == Transcript(thought="2+3", answer="5", well_formed=True)


def test_thought_and_answer_keep_what_is_inside() -> None:
    found = split("<think>a < b\n\nso</think><answer>x = {1, 2}\n</answer>")
    assert found == Transcript(thought="a < b\n\nso", answer="x = {1, 2}", well_formed=True)


@pytest.mark.parametrize(
    ("response", "thought", "answer"),
    [
        ("", None, None),
        ("5", None, None),
        ("<think>", "", None),
        ("<think>2+3", "2+3", None),  # cut while thinking
        ("<think>2+3</think>", "2+3", None),
        ("<think>2+3</think>  \n", "2+3", None),
        ("<think>2+3</think><answer>5", "2+3", None),  # cut while answering
        ("<think>2+3</think><answer>5</answ", "2+3", None),
        ("<answer>5</answer>", None, "5"),  # no thought
        ("2+3</think><answer>5</answer>", None, "5"),
        ("<think><answer>5</answer>", "<answer>5</answer>", None),  # answered inside an open thought
        ("<think><answer>5</answer></think>", "<answer>5</answer>", None),
        ("<think>is it <answer>4</answer>?</think><answer>5</answer>", "is it <answer>4</answer>?", "5"),
        ("<answer>5</answer><think>2+3</think>", "2+3", None),  # the wrong way round
        ("<think>2+3</think><answer>4</answer><answer>5</answer>", "2+3", "5"),  # hedged: the last counts
        ("<think>2+3</think><answer>4</answer><answer>5", "2+3", None),
        ("<think>2+3</think><answer>4<answer>5</answer></answer>", "2+3", "5"),
        ("<think>2+3</think><answer>5</answer></answer>", "2+3", "5"),
        ("<think>a</think><think>b</think><answer>5</answer>", "a", "5"),
        ("<think>a<think>b</think><answer>5</answer>", "a<think>b", "5"),
        ("<think>a</think></think><answer>5</answer>", "a", "5"),
        ("well: <think>2+3</think><answer>5</answer>", "2+3", "5"),  # words around the tags
        ("<think>2+3</think> so <answer>5</answer>", "2+3", "5"),
        ("<think>2+3</think><answer>5</answer> done", "2+3", "5"),
        ("<think>2+3</think>\u200b<answer>5</answer>", "2+3", "5"),  # a zero-width space is no white space
        ("<think>2+3</think>The answer is 5.", "2+3", "The answer is 5."),  # the chat form: a summary
        ("<THINK>2+3</THINK><ANSWER>5</ANSWER>", None, None),  # tags are exact
        ("< think >2+3</ think ><answer>5</answer>", None, "5"),
        ("\uff1cthink\uff1e2+3\uff1c/think\uff1e", None, None),  # full-width brackets
        ("<think>2+3</think><answer></answer>", "2+3", ""),
    ],
)
def test_adversarial(response: str, thought: str | None, answer: str | None) -> None:
    found = split(response)
    assert (found.thought, found.answer) == (thought, answer)
    empty_answer = response.endswith("<answer></answer>")
    assert found.well_formed is empty_answer  # an empty answer is wrong, not ill-formed


def test_a_long_hostile_response_takes_no_time() -> None:
    """Linear in the length: a million open tags are split as fast as a million letters."""
    response = "<think>" * 300_000 + "<answer>" * 300_000
    assert split(response).answer is None
    assert split("<think></think>" + "<answer>" * 300_000 + "5</answer>").answer == "5"


def test_the_prompt_keeps_the_question_as_it_is() -> None:
    question = "what is {question} {0} 100% of <think>?"
    assert render(question, "tiny") == f"<|user|>{question}<|assistant|>"
    assert render(question, "chat") == question
    zero = render(question, "r1_zero")
    assert f"User: {question}. Assistant:" in zero and zero.endswith("Assistant:")
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        assert tag in zero.replace(question, "")
