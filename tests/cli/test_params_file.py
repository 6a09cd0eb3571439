"""params.yaml: read as DVC reads it, edited in place, switched without losing the user's own values."""

from pathlib import Path

import pytest

from r1cli.params_file import pick, read_params, read_text, set_values, switch
from stages.contract.errors import UserError
from stages.contract.params import parse
from tests.cli.conftest import ROOT, Place, Run

TEXT = """\
# Head.
profile: tiny
seed: 1   # the seed

rollout: {engine: embedded, template: tiny, batch: 8} # flow
cold_start:
  prompts: 10
  keep_per_prompt: 1 # one
  sampling:
    draws: 2
    temperature: 1.0
    top_p: 1.0
    max_new_tokens: 9
  max_repetition: 9.0e-1
"""


def test_numbers_are_what_dvc_reads() -> None:
    values = read_text("a: 1e-5\nb: 1.0e-5\nc: on\nd: 0x10\n", "x")
    assert values == {"a": 1e-5, "b": 1e-5, "c": "on", "d": 16}


def test_a_setting_changes_its_line_only() -> None:
    changed = set_values(
        TEXT, ["seed=2", "cold_start.sampling.temperature=0.7", "rollout.batch=16", "cold_start.max_repetition=1e-1"]
    )
    before, after = TEXT.splitlines(), changed.splitlines()
    assert len(before) == len(after)
    assert [line for line, old in zip(after, before, strict=True) if line != old] == [
        "seed: 2   # the seed",
        "rollout: {engine: embedded, template: tiny, batch: 16} # flow",
        "    temperature: 0.7",
        "  max_repetition: 1.0e-1",
    ]


def test_no_setting_changes_nothing() -> None:
    assert set_values(TEXT, []) == TEXT


def test_the_real_params_survive_a_setting_line_by_line() -> None:
    text = (ROOT / "params.yaml").read_text()
    changed = set_values(text, ["grpo.lr=5.0e-4"])
    different = [(a, b) for a, b in zip(text.splitlines(), changed.splitlines(), strict=True) if a != b]
    assert len(different) == 1 and different[0][1] == "  lr: 5.0e-4"
    parsed = parse(read_text(changed, "params.yaml"))
    assert parsed.grpo is not None and parsed.grpo.lr == 5e-4


def test_sections_that_a_stage_declares() -> None:
    values = read_text(TEXT, "x")
    assert pick(values, ["seed", "cold_start.sampling.draws", "cold_start.prompts"]) == {
        "seed": 1,
        "cold_start": {"sampling": {"draws": 2}, "prompts": 10},
    }
    with pytest.raises(UserError, match="params.yaml lacks cold_start.sampling.top_k"):
        pick(values, ["cold_start.sampling.top_k"])


def test_switching_keeps_the_users_values_and_names_what_it_drops() -> None:
    old = read_text(TEXT, "tiny.yaml")
    current = read_text(TEXT.replace("seed: 1", "seed: 9").replace("draws: 2", "draws: 4"), "params.yaml")
    new = (
        TEXT.replace("profile: tiny", "profile: large")
        .replace("seed: 1", "seed: 3")
        .replace("prompts: 10", "prompts: 99")
    )
    switched = switch(current, old, new, "large")
    assert switched.kept == {"seed": 9, "cold_start.sampling.draws": 4}
    assert switched.dropped == {}
    assert read_text(switched.text, "x") == {
        **read_text(new, "x"),
        "seed": 9,
        "cold_start": {**read_text(new, "x")["cold_start"], "sampling": {**old["cold_start"]["sampling"], "draws": 4}},
    }  # type: ignore[dict-item,index]

    without = switch(current, old, "profile: small\nseed: 3\n", "small")
    assert without.kept == {"seed": 9}
    assert without.dropped == {"cold_start.sampling.draws": 4}


def test_profile_use_and_back_is_the_profiles_file(place: Place, r1: Run) -> None:
    before = (place.root / "params.yaml").read_text()
    assert r1("profile", "use", "wide") == (0, "params.yaml is profile wide\n", "")
    assert (place.root / "params.yaml").read_text() == (place.root / "profiles" / "wide.yaml").read_text()
    assert r1("profile", "list")[1] == "  tiny\n* wide\n"
    assert r1("profile", "show")[1].strip() == (place.root / "params.yaml").read_text().strip()
    (place.root / "params.yaml").write_text((place.root / "params.yaml").read_text().replace("seed: 1", "seed: 7"))
    assert r1("profile", "use", "tiny")[1] == "params.yaml is profile tiny\n  kept your seed: 7\n"
    assert (place.root / "params.yaml").read_text() == before.replace("seed: 1", "seed: 7")


def test_profile_use_mends_a_missing_params_file(place: Place, r1: Run) -> None:
    (place.root / "params.yaml").unlink()
    assert r1("profile", "use", "tiny")[0] == 0
    assert read_params(place.root / "params.yaml")["seed"] == 1


@pytest.mark.parametrize("path", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_is_a_whole_params_file_that_names_itself(path: Path) -> None:
    values = read_params(path)
    assert values["profile"] == path.stem
    assert set(values) == set(read_params(ROOT / "params.yaml"))
    parse(values)
