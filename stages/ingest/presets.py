"""The columns of data sets that the field uses, and how a row of each is read.

Sources: the data sets' own cards. A preset is chosen by name, by the data set's id, or by the columns of its first row.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stages.contract.errors import UserError

PROMPTS = ("question", "problem", "prompt", "instruction")
GOLDS = ("final_answer", "answer")  # bare answers, or worked ones that end in a mark
WORKED = ("solution",)  # texts: an answer by its mark alone
RESPONSES = ("response", "completion", "output")
TURNS = ("messages", "conversations")
AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Which columns hold what. Of several the first with a text counts. Empty: the data set has no such thing.

    `correct` and `complete` stand beside `generations`, one value each; correct means that one of the first is true.
    `wanted`: a row whose column has another value than these is dropped, with the column's name as the reason.
    `no_gold`: words that stand in the answer's column where there is none, and the reason to drop the problem.
    `context`: a text that the question is about. `categories`: the data set's own, which make its rows general ones.
    """

    name: str
    about: str
    ids: tuple[str, ...] = ()
    columns: frozenset[str]  # that tell it from the others
    prompts: tuple[str, ...] = PROMPTS
    golds: tuple[str, ...] = ()
    worked: tuple[str, ...] = ()
    responses: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()
    generations: str = ""
    correct: tuple[str, ...] = ()
    complete: str = ""
    level: str = ""
    wanted: Mapping[str, Collection[str]] = field(default_factory=dict)
    no_gold: Mapping[str, str] = field(default_factory=dict)
    context: str = ""
    categories: Mapping[str, str] = field(default_factory=dict)


def _columns(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NO_GOLD = {"proof": "proof", "notfound": "no_answer"}
PRESETS = (
    Preset(
        name="openr1-math",
        about="problems with several R1 traces each, judged by Math-Verify or a Llama",
        ids=("open-r1/OpenR1-Math-220k",),
        columns=_columns("problem answer generations correctness_math_verify"),
        golds=GOLDS,
        worked=WORKED,
        generations="generations",
        correct=("correctness_math_verify", "correctness_llama"),
        complete="is_reasoning_complete",
        no_gold=_NO_GOLD,
    ),
    Preset(
        name="numinamath-1.5",
        about="competition problems with answers; proofs and invalid problems are dropped",
        ids=("AI-MO/NuminaMath-1.5",),
        columns=_columns("problem solution answer problem_is_valid"),
        golds=("answer",),
        wanted={"problem_is_valid": ("Yes",), "solution_is_valid": ("Yes",)},
        no_gold=_NO_GOLD,
    ),
    Preset(
        name="numinamath-cot",
        about="competition problems with worked solutions, which are no traces",
        ids=("AI-MO/NuminaMath-CoT",),
        columns=_columns("problem solution source messages"),
        worked=WORKED,
    ),
    Preset(
        name="mixture-of-thoughts",
        about="R1 traces as chats: maths, code, science; no gold answers",
        ids=("open-r1/Mixture-of-Thoughts",),
        columns=_columns("messages num_tokens source"),
        turns=("messages",),
    ),
    Preset(
        name="math",
        about="Hendrycks' MATH and MATH-500: the answer in the solution's box, a level from 1 to 5",
        ids=("hendrycks/competition_math", "EleutherAI/hendrycks_math", "HuggingFaceH4/MATH-500"),
        columns=_columns("problem solution level"),
        golds=("answer",),
        worked=WORKED,
        responses=RESPONSES,
        level="level",
    ),
    Preset(
        name="gsm8k",
        about="a question, and an answer: bare, or worked and ending in `#### 18`",
        ids=("openai/gsm8k", "gsm8k"),
        columns=_columns("question answer"),
        golds=GOLDS,
        worked=WORKED,
        responses=RESPONSES,
    ),
    Preset(
        name="dolly",
        about="general instructions with human answers; its eight categories become ours",
        ids=("databricks/databricks-dolly-15k",),
        columns=_columns("instruction context response category"),
        prompts=("instruction",),
        context="context",
        responses=("response",),
        categories={
            **dict.fromkeys(("creative_writing", "brainstorming", "summarization"), "writing"),
            **dict.fromkeys(("open_qa", "closed_qa", "general_qa", "information_extraction"), "factual_qa"),
            "classification": "other",
        },
    ),
    Preset(
        name="no_robots",
        about="general chats with human answers; its ten categories become ours",
        ids=("HuggingFaceH4/no_robots",),
        columns=_columns("prompt_id messages category"),
        turns=("messages",),
        categories={
            **dict.fromkeys(("Generation", "Brainstorm", "Rewrite", "Summarize"), "writing"),
            **dict.fromkeys(("Open QA", "Closed QA", "Extract"), "factual_qa"),
            **dict.fromkeys(("Chat", "Classify"), "other"),
            "Coding": "software",
        },
    ),
    Preset(name="sharegpt", about="conversations of from and value", columns=_columns("conversations"), turns=TURNS),
    Preset(name="chat", about="messages of role and content", columns=_columns("messages"), turns=TURNS),
    Preset(
        name="completion",
        about="a prompt (text or chat) and a completion, response or output; perhaps an answer",
        columns=frozenset(),  # see _shaped
        golds=GOLDS,
        responses=RESPONSES,
    ),
    Preset(
        name="problems",
        about="a question, problem or prompt, with an answer, a solution or a code task",
        columns=frozenset(),
        golds=GOLDS,
        worked=WORKED,
    ),
)
BY_NAME = {preset.name: preset for preset in PRESETS}


def preset(name: str, dataset: str, columns: Collection[str]) -> Preset:
    """The preset of a name; with the name `auto` that of a data set's id, else of its columns.

    Raises:
        UserError: there is none of that name, or the rows lack its columns.
    """
    if name == AUTO:
        known = next((one for one in PRESETS if dataset in one.ids and one.columns <= set(columns)), None)
        return known or _shaped(columns)
    if name not in BY_NAME:
        raise UserError(
            f"import preset {name!r} is not one of {', '.join([AUTO, *BY_NAME])}", hint="r1 data import --help"
        )
    chosen = BY_NAME[name]
    if not chosen.columns <= set(columns):
        lacking = ", ".join(sorted(chosen.columns - set(columns)))
        raise UserError(f"preset {name}: the rows lack {lacking} (have: {', '.join(columns)})", hint=f"--preset {AUTO}")
    return chosen


def _shaped(columns: Collection[str]) -> Preset:
    """The first preset whose columns are there; else by what could be a response."""
    known = next((one for one in PRESETS if one.columns and one.columns <= set(columns)), None)
    if known:
        return known
    return BY_NAME["completion" if set(RESPONSES) & set(columns) else "problems"]
