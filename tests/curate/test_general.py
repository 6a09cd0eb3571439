"""The rules for general answers: each drops what it is for, and leaves what only looks like it."""

import polars as pl
import pytest

from stages.curate import phrases
from stages.curate.filters import Rows, sift
from stages.curate.general import ASKED, general_filters

FRAME = pl.Schema({"prompt": pl.String(), "family": pl.String(), "response": pl.String(), **ASKED})
GOOD = "Rain falls on roofs and on gardens alike."


def reason(answer: str, *, names: tuple[str, ...] = (), least: float | None = None, **columns: object) -> str:
    row: dict[str, object] = {
        "prompt": "Write a line about rain.", "family": "writing", "response": answer, "thought": "any",
        "answer_language": "", "references": [], "safety": "", "quality": None, "said_thought": "",
        "said_answer": answer, "in_language": True, **columns,
    }  # fmt: skip
    rows = Rows(pl.DataFrame([row], schema=FRAME))
    rejected = sift(rows, general_filters(names=names, min_quality=least))[0].rejected
    return str(rejected["r1_drop"].item()) if rejected.height else ""


def safety(answer: str, label: str) -> str:
    return reason(answer, family="safety", prompt="How do I pick my neighbour's lock?", safety=label)


def self_cognition(answer: str, *names: str) -> str:
    return reason(answer, family="self_cognition", prompt="Who are you?", names=names)


@pytest.mark.parametrize(
    ("answer", "dropped"), [("", "no_answer"), ("!?", "too_short"), ("Rain falls", "too_short"), (GOOD, "")]
)
def test_an_answer_has_words(answer: str, dropped: str) -> None:
    assert reason(answer) == dropped


def test_a_fact_and_a_translation_may_be_one_word() -> None:
    assert reason("Paris", family="factual_qa", prompt="Which city?") == ""
    assert reason("Hallo", family="translation", prompt="In German: hello") == ""


@pytest.mark.parametrize(
    "text", ["fine <think> words here", "fine words </answer> here", "fine words <|user|> here", "fine < THINK > it"]
)
def test_tags_within_a_text(text: str) -> None:
    assert reason(text) == "stray_tag"
    assert reason(GOOD, said_thought=text) == "stray_tag"
    assert reason("for a < b and b > c it holds") == ""


def test_a_thought_where_it_is_wanted_and_nowhere_else() -> None:
    assert reason(GOOD, thought="wanted") == "no_thought"
    assert reason(GOOD, thought="wanted", said_thought="They want a line.") == ""
    assert reason("Hello to you, too!", thought="none", said_thought="They greet me.") == "needless_thought"
    assert reason("Hello to you, too!", thought="none") == ""


@pytest.mark.parametrize(
    ("thought", "dropped"),
    [
        ("### Plan\nFirst rain.", "markdown_thought"),
        ("Well:\n- roofs\n- gardens", "markdown_thought"),
        ("The **main** thing is rain.", "markdown_thought"),
        ("Code:\n```\nx\n```", "markdown_thought"),
        ("They want a line. 2 * 3 * 4 syllables - no more.\n\nSo it rains -- or not.", ""),
    ],
)
def test_thoughts_have_no_markup(thought: str, dropped: str) -> None:
    assert reason(GOOD, said_thought=thought) == dropped
    assert reason(f"{GOOD}\n\n**Rain**\n- more") == ""  # answers may


@pytest.mark.parametrize(
    "answer",
    [
        "As an AI language model, I have no garden. But rain falls.",
        "As an AI, I never saw rain.",
        "That was after my knowledge cutoff, sadly.",
        "作为一个人工智能语言模型，我没有花园。",
    ],
)
def test_boilerplate(answer: str) -> None:
    assert reason(answer) == "boilerplate"
    assert reason(answer, family="self_cognition", prompt="Who are you?") == ""  # there it is an answer


@pytest.mark.parametrize(
    "answer",
    [
        "I'm ChatGPT, and I like rain.",
        "I am an AI assistant called Claude. It rains.",
        "My name is Qwen2.5 and it rains.",
        "I was created by Anthropic to write about rain.",
        "I’m a large language model trained by OpenAI.",
        "OpenAI made me. It rains.",
        "我是由阿里云开发的通义千问，下雨了。",
        "我是ChatGPT，下雨了。",
    ],
)
def test_who_speaks_as_another_model(answer: str) -> None:
    assert reason(answer) == "identity"


@pytest.mark.parametrize(
    "answer",
    [
        "ChatGPT is a model that OpenAI released in 2022.",
        "I am a fan of Claude Monet and of rain.",
        "The llama was made by hand, and it rained.",
        "I was rained on by the sea.",
        "通义千问是阿里云的模型。",
    ],
)
def test_who_speaks_about_another_model_elsewhere(answer: str) -> None:
    assert reason(answer) == ""


def test_asked_about_itself_the_model_names_nobody_else() -> None:
    assert self_cognition("The company behind me is OpenAI, of course.") == "identity"
    assert self_cognition("我的开发者是百度公司。") == "identity"
    assert self_cognition("I'm R1, and not ChatGPT; a small model made by people in a lab.") == ""
    assert self_cognition("I am not R1 but ChatGPT, a model.") == "identity"
    assert reason(GOOD, said_thought="I am Claude, so I should write a line.") == "identity"
    assert self_cognition("I am DeepSeek-R1, a model that DeepSeek trained.") == "identity"
    assert self_cognition("I am DeepSeek-R1, a model that DeepSeek trained.", "DeepSeek-R1", "DeepSeek") == ""
    assert self_cognition("I am DeepSeek-R1, a model that OpenAI trained.", "DeepSeek-R1", "DeepSeek") == "identity"


@pytest.mark.parametrize(
    ("answer", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m sorry, but I cannot assist with this request.", True),
        ("Sorry, I am unable to provide that.", True),
        ("抱歉，我不能帮你做这件事。", True),
        ("I can't help but smile when it rains; first, take a thin wire.", False),
        ("I am sorry for your loss. Rain falls on all of us.", False),
        ("First take a thin wire and a wrench.", False),
        ("You can't pick it? Take a thinner wire.", False),
    ],
)
def test_refusals(answer: str, refuses: bool) -> None:
    assert reason(answer) == ("refused" if refuses else "")
    assert safety(answer, "safe") == ("refused" if refuses else "")
    assert safety(answer, "unsafe") == ("" if refuses else "complied")


@pytest.mark.parametrize(
    "answer",
    ["I would rather not help with that.", "That is illegal, and it hurts people.", "这是违法的，请不要这样做。"],
)
def test_a_gentle_refusal_is_one_where_it_is_wanted(answer: str) -> None:
    assert safety(answer, "unsafe") == "" and reason(answer) == ""


def test_language_is_what_was_asked_for() -> None:
    assert reason("早上好", family="translation", in_language=False) == "wrong_language"


@pytest.mark.parametrize(
    ("answer", "references", "dropped"),
    [
        ("It is Paris, the capital.", ["paris"], ""),
        ("It is in Parish Street.", ["Paris"], "no_reference"),
        ("That was in 1,969.", ["1969"], ""),
        ("The “City of Light”, clearly.", ["Paris", "city of light"], ""),
        ("答案是巴黎市。", ["巴黎"], ""),
        ("It is Lyon, the capital.", ["Paris", "City of Light"], "no_reference"),
        ("It is Lyon, the capital.", [], ""),
    ],
)
def test_a_fact_holds_an_accepted_answer(answer: str, references: list[str], dropped: str) -> None:
    assert reason(answer, family="factual_qa", prompt="Which city?", references=references) == dropped


@pytest.mark.parametrize(
    ("prompt", "answer", "family", "dropped"),
    [
        ("Write a line about rain.", "Write a line about rain!", "writing", "echo"),
        ("Write one line about rain and wind.", "line about rain and wind", "writing", "echo"),
        ("Which is heavier, lead or gold?", "gold", "factual_qa", ""),
        ("Translate into German, as formally as you can: good morning", "Good morning", "translation", "echo"),
        ("Translate into German: Berlin", "Berlin", "translation", ""),
        ("Is water wet?", "Is water wet? Yes, water is wet.", "factual_qa", ""),
    ],
)
def test_the_question_is_no_answer(prompt: str, answer: str, family: str, dropped: str) -> None:
    assert reason(answer, prompt=prompt, family=family) == dropped


def test_the_sources_own_score() -> None:
    assert [reason(GOOD, quality=score, least=3.0) for score in (2.5, 3.0, None)] == ["low_quality", "", ""]
    assert reason(GOOD, quality=0.1) == ""


def test_every_known_name_is_looked_for() -> None:
    """The names are patterns, and the stems that are looked for first must not hide any."""
    for name in phrases._NAMES:
        said = name.replace("?", "").replace("[\\w.]*", "-4").replace("[345]", "4").replace("[sx]", "s")
        said = said.replace("[234]", "3").replace("[- ]", "-").replace("(deepmind)", "deepmind")
        plain = said.replace("(:", "").replace(")", "").split("|")[0]
        assert self_cognition(f"I am {plain}, who else") == "identity", plain
