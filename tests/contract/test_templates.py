"""Each template's own form, by tables: what is well formed under it, what is not, and where its answer stands."""

import pytest

from stages.contract.task import Task
from stages.contract.transcript import Template, forms_of_tags, split
from stages.rewards.extraction import final_answer
from stages.rewards.formatting import format_reward
from stages.rewards.scorer import grade, refused

TAGGED = "<think>2+3</think><answer>5</answer>"
CHAT = "<think>2+3</think>So it is 5."

# (response, well formed under tiny, r1_zero, chat)
FORMS = [
    # the plain forms
    (TAGGED, True, True, False),
    ("<think>\n2+3\n</think>\n<answer>\n5\n</answer>", True, True, False),
    (" \n" + TAGGED + "\n", True, True, False),
    (CHAT, False, False, True),
    ("<think>\n2+3\n</think>\n\nIt is $\\boxed{5}$.\n\nGood luck!", False, False, True),
    ("<think>a < b, c > d, |x| <= 3</think>1 < 2 > 0", False, False, True),
    ("<think>I think so</think>I think: 5 is the answer.", False, False, True),
    ("<think>a <b>bold</b> and <br> too</think>x<y", False, False, True),
    ("<think>想</think>答案是 5。", False, False, True),
    ("<think>想</think><answer>5</answer>", True, True, False),
    # a part that is missing or empty
    ("", False, False, False),
    ("5", False, False, False),
    ("<answer>5</answer>", False, False, False),
    ("<think>2+3", False, False, False),
    ("<think>2+3</think>", False, False, False),
    ("<think>2+3</think> \n\t ", False, False, False),
    ("<think></think><answer>5</answer>", True, False, False),  # the embedded world's authors may skip the thought
    ("<think> \n</think><answer>5</answer>", True, False, False),
    ("<think>2+3</think><answer></answer>", True, False, False),
    ("<think>2+3</think><answer> \n </answer>", True, False, False),
    ("<think></think>So it is 5.", False, False, False),
    ("<think>\n\n</think>\n\nSo it is 5.", False, False, False),
    ("2+3</think>So it is 5.", False, False, False),
    ("</think>So it is 5.", False, False, False),
    # something around the parts
    ("Well. " + TAGGED, False, False, False),
    ("Well. " + CHAT, False, False, False),
    (TAGGED + " Done.", False, False, False),
    ("<think>2+3</think> so <answer>5</answer>", False, False, False),
    ("\u200b" + CHAT, False, False, False),
    # twice, nested, out of order
    (TAGGED + TAGGED, False, False, False),
    (CHAT + CHAT, False, False, False),
    ("<think>a</think><think>b</think>So it is 5.", False, False, False),
    ("<think>a<think>b</think></think>So it is 5.", False, False, False),
    ("<think>a</think>So it is 5.</think>", False, False, False),
    ("<think>a</think>So <think>hm</think>it is 5.", False, False, False),
    ("<think>a</think><answer>4</answer><answer>5</answer>", False, False, False),
    ("<think><answer>5</answer></think>", False, False, False),
    ("<think>a<answer>5</answer></think>So it is 5.", False, False, False),
    ("<answer>5</answer><think>a</think>", False, False, False),
    ("So it is 5.<think>a</think>", False, False, False),
    ("<think>a</think><answer>5<think>b</think></answer>", False, False, False),
    # tags in disguise, which a person takes for tags and the exact count does not
    ("<think>a</THINK><answer>4</answer></think><answer>5</answer>", False, False, False),
    ("<think>a</THINK>so</think><answer>5</answer>", True, False, False),
    ("<think>a< /think >so</think><answer>5</answer>", True, False, False),
    ("<think>a</think><answer>5<ANSWER>6</answer>", True, False, False),
    ("<think>a\uff1c/think\uff1eb</think><answer>5</answer>", True, False, False),
    ("<think>a</th\u200bink>b</think><answer>5</answer>", True, False, False),
    ("<think>a<think id=2>b</think>So it is 5.", False, False, False),
    ("<think>a</think>So it is 5. </ANSWER>", False, False, False),
    ("<think>a</think>So it is 5. <Think>b</Think>", False, False, False),
    ("<think>a</think>So it is 5. <\u200b/think>", False, False, False),
    ("\uff1cthink\uff1ea\uff1c/think\uff1eSo it is 5.", False, False, False),
    # another turn of the conversation
    ("<think>a</think>So it is 5.<|user|>what is 2+2<|assistant|>4", False, False, False),
    ("<think>a</think>So it is 5.<\uff5cUser\uff5c>what is 2+2", False, False, False),
    ("<think>a<|end|></think><answer>5</answer>", True, False, False),
    ("<think>a</think>So it is 5.<|im_end|>", False, False, False),
]


@pytest.mark.parametrize("at", range(len(FORMS)))
def test_forms(at: int) -> None:
    response, *wanted = FORMS[at]
    templates: tuple[Template, ...] = ("tiny", "r1_zero", "chat")
    found = [bool(format_reward(response, template)) for template in templates]
    assert found == wanted, response


# (response, the answer under tiny and r1_zero, under chat); None: there is none
ANSWERS = [
    (TAGGED, "5", None),  # a summary of tags only is text: 5 with tags around it
    (r"<think>\boxed{6}</think>So it is \boxed{5}.", "5", "5"),
    (r"<think>It is \boxed{6}.</think>", None, None),  # the thought's answer is none
    (r"<think>It is \boxed{6}.", None, None),
    (r"It is \boxed{6}.", "6", None),  # under chat the prompt may have opened a thought that was never closed
    (r"It is \boxed{6}.</think>So it is \boxed{5}.", "5", "5"),
    (r"<think>a</think>So it is \boxed{5}.<think>no: \boxed{6}", None, None),
    (r"<think>a</think>\boxed{5}<think>b</think>\boxed{6}", "6", "6"),
    (r"<think>a</think>\boxed{5} <answer>6</answer>", "6", "5"),  # chat knows no answer tags
    (r"<think>a</think><answer>6</answer> \boxed{5}", "6", "5"),
    (r"<think>a</think>\boxed{5} or \boxed{", None, None),
    ("<think>a</think>5", "5", "5"),
    ("<think>5</think>" + "It is so. " * 50, None, None),
    ("<answer>6</answer><think>a</think>5", "5", "5"),
]


@pytest.mark.parametrize(("response", "tagged", "chat"), ANSWERS)
def test_the_answer_stands_where_the_template_has_it(response: str, tagged: str | None, chat: str | None) -> None:
    assert final_answer(response).answer == final_answer(response, "r1_zero").answer == tagged
    assert final_answer(response, "chat").answer == (chat if response is not TAGGED else "<answer>5</answer>")


SUM = Task(id="a", kind="reasoning", family="chain", difficulty=2, language="en", prompt="what is 2+3", answer="5")


def test_grades_follow_the_template() -> None:
    both = [grade(SUM, r"<think>so</think>Hence \boxed{5}.", finished=True, template=t) for t in ("r1_zero", "chat")]
    assert [(g.accuracy, g.format) for g in both] == [(1.0, 0.0), (1.0, 1.0)]
    tagged = [grade(SUM, TAGGED, finished=True, template=t) for t in ("tiny", "r1_zero", "chat")]
    assert [(g.accuracy, g.format) for g in tagged] == [(1.0, 1.0), (1.0, 1.0), (0.0, 0.0)]
    assert grade(SUM, CHAT, finished=False, template="chat").format == 0.0
    thought_only = grade(SUM, r"<think>\boxed{5}</think>I can't tell.", finished=True, template="chat")
    assert (thought_only.accuracy, thought_only.format) == (0.0, 1.0)


def test_a_refusal_stands_in_the_summary() -> None:
    assert refused("<think>hm</think>I can't help.", ["can't help"], "chat")
    assert not refused("<think>I can't help.</think>Sure: <answer>", ["can't help"], "chat")


@pytest.mark.parametrize("template", ["tiny", "r1_zero", "chat"])
@pytest.mark.parametrize("unit", ["<think>", "<think></think>", "< ", "<|", "\uff1c/", "</think>5", "<\u200b"])
def test_a_megabyte_of_tags_takes_no_time(template: Template, unit: str) -> None:
    assert not split(unit * ((1 << 20) // len(unit)), template).well_formed
    assert forms_of_tags("<" + " " * (1 << 20)) == 0
