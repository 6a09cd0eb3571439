"""The profiles: each parses, and r1-671b holds the paper's figures and says which values are ours."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from stages.contract.params import Params, parse
from stages.rl.objective import MODERN, PAPER

PROFILES = sorted((Path(__file__).parents[2] / "profiles").glob("*.yaml"))
PAPER_PROFILE = next(path for path in PROFILES if path.stem == "r1-671b")
OURS = "# ours: paper unspecified"

# --- the paper's figures, from RECIPE.md sections 1-7 -----------------------------------------------------------
RL = {
    "prompts_per_step": 32,
    "group_size": 16,
    "steps_per_rollout": 16,  # 8,192 outputs = 16 minibatches of 32 x 16
    "reference_every": 400,
    "lengths.0.from_step": 0,
    "lengths.0.max_new_tokens": 32_768,
    "objective.adv_scale": "group_std",
    "objective.loss": "clip",
    "objective.kl": "k3",
    "objective.kl_beta": 0.001,
    "reward.accuracy": 1,
    "reward.format": 1,
    "reward.combine": "sum",
}
SFT = {"epochs": 2, "batch_size": 128, "lr": 5e-5, "lr_end": 0.1, "max_tokens": 32_768}
DISTILL = {"epochs": 2, "batch_size": 64, "lr_end": 0.1, "max_tokens": 32_768}
STUDENTS = {  # student -> base, initial learning rate
    "qwen-1p5b": ("Qwen/Qwen2.5-Math-1.5B", 1e-4),
    "qwen-7b": ("Qwen/Qwen2.5-Math-7B", 8e-5),
    "qwen-14b": ("Qwen/Qwen2.5-14B", 7e-5),
    "qwen-32b": ("Qwen/Qwen2.5-32B", 6e-5),
    "llama-8b": ("meta-llama/Llama-3.1-8B", 5e-5),
    "llama-70b": ("meta-llama/Llama-3.3-70B-Instruct", 2e-5),
}


def below(section: str, values: Mapping[str, object]) -> dict[str, object]:
    return {f"{section}.{key}": value for key, value in values.items()}


THE_PAPER: dict[str, object] = {
    "prompts.ngram": 10,
    "rollout.engine": "vllm",
    "rollout.template": "r1_zero",
    "base.path": "deepseek-ai/DeepSeek-V3-Base",
    **below("zero", RL),
    "zero.steps": 10_400,
    "zero.lengths.1.from_step": 8_200,
    "zero.lengths.1.max_new_tokens": 65_536,
    "zero.temperature": 1,
    "zero.lr": 3e-6,
    "zero.reward.language": 0,
    "zero.reward.preference": 0,
    "cold_start.sampling.temperature": 1,
    **below("cold_sft", SFT),
    **below("grpo", RL),
    "grpo.temperature": 1,
    "grpo.lr": 3e-6,
    "grpo.objective.clip_low": 10,
    "grpo.objective.clip_high": 10,
    "grpo.reward.language": 1,
    "grpo.reward.preference": 0,
    "rejection.general": 200_000,
    "rejection.total": 804_745,
    **below("sft", SFT),
    "reward_model.pairs": 66_000,
    "reward_model.labels": 106_000,
    "reward_model.judge_queries": 4,
    "reward_model.min_margin": 1,
    "reward_model.train.epochs": 1,
    "reward_model.train.batch_size": 256,
    "reward_model.train.lr": 6e-6,
    "reward_model.train.max_tokens": 8_192,
    **below("align", RL),
    "align.steps": 1_700,
    "align.temperature": 0.7,
    "align.lr": 3e-6,
    "align.objective.clip_low": 10,
    "align.objective.clip_high": 10,
    "align.reward.language": 1,
    "align.reward.preference": 1,
    "align.general_from": pytest.approx(1_300 / 1_700),
    **{key: value for name in STUDENTS for key, value in below(f"students.{name}.distill", DISTILL).items()},
    **{f"students.{name}.base.path": path for name, (path, _) in STUDENTS.items()},
    **{f"students.{name}.distill.lr": lr for name, (_, lr) in STUDENTS.items()},
    **below("student_zero", RL),
    "student_zero.steps": 10_000,  # more than 10K
    "student_zero.temperature": 1,
    "student_zero.lr": 2e-6,
    "student_zero.reward.language": 0,
    "student_zero.reward.preference": 0,
    "evaluate.sampling.draws": 64,
    "evaluate.sampling.temperature": 0.6,
    "evaluate.sampling.top_p": 0.95,
    "evaluate.sampling.max_new_tokens": 32_768,
}


def loaded(path: Path) -> Params:
    return parse(YAML(typ="safe").load(path))


def leaves(node: CommentedMap, path: str = "") -> Iterator[tuple[str, object, int]]:
    """(key, value, line) of every value; a list of sections counts as its sections' values, other lists as one."""
    for key, value in node.items():
        here, line = f"{path}{key}", node.lc.value(key)[0]
        if isinstance(value, CommentedMap):
            yield from leaves(value, f"{here}.")
        elif isinstance(value, list) and value and isinstance(value[0], CommentedMap):
            for index, item in enumerate(value):
                yield from leaves(item, f"{here}.{index}.")
        else:
            yield here, value, line


@pytest.fixture(scope="module")
def annotated() -> dict[str, tuple[object, str]]:
    """Key -> value and the comment on its line, of r1-671b."""
    lines = PAPER_PROFILE.read_text().splitlines()
    found = {}
    for key, value, line in leaves(YAML().load(PAPER_PROFILE)):
        _, sign, comment = lines[line].partition("# ")
        found[key] = (value, sign + comment)
    return found


def test_the_profiles_are_there() -> None:
    assert {"1gpu-0.5b", "8gpu-7b", "cluster-32b", "r1-671b"} <= {path.stem for path in PROFILES}


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_profile_parses_whole(path: Path) -> None:
    params = loaded(path)
    assert params.profile == path.stem
    assert params.students
    sections = [name for name, value in vars(params).items() if value is None]
    assert not sections, f"{path.stem} lacks {sections}"


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_floats_read_the_same_in_yaml_1_1_and_1_2(path: Path) -> None:
    """PyYAML takes `1e-5` for a string: only `1.0e-5` is a number to every reader."""
    assert not re.findall(r"[ \[]\d+e[-+]?\d+(?=[\s,\]}])", re.sub("#.*", "", path.read_text()))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_evaluated_students_exist(path: Path) -> None:
    params = loaded(path)
    assert params.evaluate is not None
    for checkpoint in params.evaluate.models.values():
        stage, item, *_ = checkpoint.split("/")
        assert stage not in ("distill", "student_zero") or item in params.students, checkpoint


@pytest.mark.parametrize("name", ["1gpu-0.5b", "8gpu-7b", "cluster-32b"])
def test_smaller_profiles_use_the_modern_objective(name: str) -> None:
    params = loaded(PAPER_PROFILE.with_name(f"{name}.yaml"))
    for section in (params.zero, params.grpo, params.align, params.student_zero):
        assert section is not None and section.objective == MODERN and section.drop_zero_variance
        assert section.reward.overlong > 0
    assert params.rollout is not None and params.rollout.engine == "vllm"


def test_r1_671b_uses_the_paper_objective() -> None:
    params = loaded(PAPER_PROFILE)
    for section in (params.zero, params.grpo, params.align, params.student_zero):
        assert section is not None and section.objective == PAPER
        assert section.prompts_per_step * section.group_size * section.steps_per_rollout == 8_192


@pytest.mark.parametrize("key", sorted(THE_PAPER))
def test_r1_671b_holds_the_papers_figure(key: str, annotated: dict[str, tuple[object, str]]) -> None:
    value, comment = annotated[key]
    assert value == THE_PAPER[key]
    assert comment.startswith("# paper: ")


def test_r1_671b_trains_in_the_papers_proportions() -> None:
    params = loaded(PAPER_PROFILE)
    assert params.align is not None
    assert params.align.steps - round(params.align.general_from * params.align.steps) == 400
    assert set(params.students) == set(STUDENTS)


def test_r1_671b_marks_what_the_paper_leaves_unsaid(annotated: dict[str, tuple[object, str]]) -> None:
    unmarked = [key for key, (_, comment) in annotated.items() if key not in THE_PAPER and not comment.startswith(OURS)]
    assert not unmarked, f"mark these `{OURS}`, or add them to THE_PAPER with their source: {unmarked}"
