"""Params: what is wrong is refused before anything runs, and the message says what to mend."""

import copy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.contract.errors import UserError
from stages.contract.params import parse

PROFILE = Path(__file__).parents[2] / "profiles" / "1gpu-0.5b.yaml"
VALUES: dict[str, object] = YAML(typ="safe").load(PROFILE)
DROP = object()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def changed(path: str, value: object) -> dict[str, object]:
    """The profile's values with one set, or taken out."""
    values = copy.deepcopy(VALUES)
    *parents, last = path.split(".")
    node: object = values
    for key in parents:
        assert isinstance(node, dict)
        node = node[key]
    assert isinstance(node, dict)
    if value is DROP:
        del node[last]
    else:
        node[last] = value
    return values


def refused(path: str, value: object) -> str:
    with pytest.raises(UserError) as caught:
        parse(changed(path, value))
    assert caught.value.hint
    return caught.value.message


def test_the_unchanged_profile_parses() -> None:
    params = parse(VALUES)
    assert params.zero is not None and params.zero.lr == 1e-6


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("zer", "zero"),
        ("zero.stpes", "steps"),
        ("zero.learning", "valid: "),
        ("zero.objective.clip_hi", "clip_high"),
        ("zero.reward.acuracy", "accuracy"),
        ("students.smol-135m.distill.batchsize", "batch_size"),
    ],
)
def test_an_unknown_key_names_the_nearest(path: str, near: str) -> None:
    message = refused(path, 1)
    assert f"unknown param {path}" in message and near in message


def test_an_unknown_choice_names_the_choices_and_the_nearest() -> None:
    message = refused("zero.objective.agg", "token_means")
    for part in ("zero.objective.agg", "'token_means'", "seq_mean, token_mean, const", "did you mean token_mean?"):
        assert part in message


@pytest.mark.parametrize(
    "path", ["zero.lr", "zero.objective.tis_cap", "evaluate.sampling", "base.source", "world.families"]
)
def test_a_missing_key_is_named(path: str) -> None:
    assert refused(path, DROP) == f"param {path} is missing"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("zero.lr", "1e-6"),  # what PyYAML makes of 1e-6
        ("zero.lr", True),
        ("zero.lr", float("nan")),
        ("zero.lr", float("inf")),
        ("zero.lr", None),
        ("zero.lr", [1e-6]),
        ("zero.steps", 1.5),
        ("zero.steps", True),
        ("zero.steps", "400"),
        ("zero.drop_zero_variance", 1),
        ("zero.drop_zero_variance", "yes"),
        ("zero.betas", 0.9),
        ("zero.betas", [0.9, "0.95"]),
        ("zero.lengths", {"from_step": 0, "max_new_tokens": 8}),
        ("zero.lengths", [8]),
        ("zero", 3),
        ("zero.objective", None),
        ("base.path", 7),
        ("world.families", ["chain"]),
        ("world.families.chain", "0.4"),
        ("students", ["smol"]),
        ("students.smol-135m", "smol"),
    ],
)
def test_a_wrong_type_names_the_key_and_the_value(path: str, value: object) -> None:
    message = refused(path, value)
    assert path in message and "expected" in message


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("zero.steps", 0, "steps must be at least 1"),
        ("zero.group_size", 1, "group_size must be at least 2"),
        ("zero.prompts_per_step", 0, "prompts_per_step must be at least 1"),
        ("zero.steps_per_rollout", 0, "steps_per_rollout must be at least 1"),
        ("zero.temperature", 0.0, "temperature must be above 0"),
        ("zero.top_p", 0.95, "top_p must be 1 in RL"),
        ("zero.lr", -1e-6, "lr must be above 0"),
        ("zero.lengths", [], "lengths must start with from_step: 0"),
        ("zero.lengths", [{"from_step": 5, "max_new_tokens": 8}], "lengths must start with from_step: 0"),
        ("zero.objective.clip_low", -0.2, "clip_low must be at least 0"),
        ("zero.objective.clip_high", -0.2, "clip_high must be at least 0"),
        ("zero.objective.dual_clip", 0.5, "dual_clip must be 0 (off) or above 1"),
        ("zero.objective.kl_beta", -1.0, "kl_beta must be at least 0"),
        ("zero.objective.tis_cap", 0.0, "tis_cap must be above 0"),
        ("zero.objective.agg_tokens", 0, "agg_tokens must be at least 1"),
        ("sft.epochs", 0, "epochs must be at least 1"),
        ("sft.batch_size", 0, "batch_size must be at least 1"),
        ("sft.lr", 0.0, "lr must be above 0"),
        ("evaluate.sampling.draws", 0, "draws must be at least 1"),
        ("evaluate.sampling.temperature", 0.0, "temperature must be above 0"),
        ("evaluate.sampling.top_p", 0.0, "top_p must be in (0, 1]"),
        ("evaluate.sampling.top_p", 1.1, "top_p must be in (0, 1]"),
        ("base.revision", "main", "revision must be the commit of Qwen/Qwen2.5-0.5B"),
        ("base.revision", "", "revision must be the commit"),
        ("base.revision", COMMIT[:12], "revision must be the commit"),
        ("base.path", "", "path must name a local folder or a Hub model"),
        ("base.source", "pretrain", "source pretrain needs vocabulary, shape and pretrain"),
    ],
)
def test_an_impossible_value_says_what_is_possible(path: str, value: object, says: str) -> None:
    message = refused(path, value)
    assert says in message
    assert message.startswith(path.rpartition(".")[0])


def test_a_local_base_needs_no_revision() -> None:
    values = {"base": {"source": "import", "path": "./models/mine", "revision": ""}}
    base = parse(values).base
    assert base is not None and base.path == "./models/mine"


def test_whole_numbers_pass_as_either_kind() -> None:
    params = parse(changed("zero.lr", 1))
    assert params.zero is not None and isinstance(params.zero.lr, float)
    params = parse(changed("zero.steps", 3.0))
    assert params.zero is not None and params.zero.steps == 3 and isinstance(params.zero.steps, int)


def test_a_stage_may_see_only_some_sections() -> None:
    params = parse({"seed": 3, "zero": VALUES["zero"]})
    assert params.seed == 3 and params.grpo is None


def test_params_must_be_a_section() -> None:
    with pytest.raises(UserError, match="expected a section"):
        parse([])  # type: ignore[arg-type]
