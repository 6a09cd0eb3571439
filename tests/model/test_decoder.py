"""The decoder against its twin in transformers, and its two ways of decoding against each other."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from stages.contract.errors import UserError
from stages.model.batches import pad
from stages.model.checkpoint import load_decoder
from stages.model.reward_model import RewardModel
from tests import tiny_model


@pytest.mark.parametrize("key_value_heads", [4, 2, 1])
def test_logits_equal_transformers(tmp_path: Path, key_value_heads: int) -> None:
    made = tiny_model.decoder(key_value_heads=key_value_heads)
    twin = AutoModelForCausalLM.from_pretrained(tiny_model.save(made, tmp_path / "checkpoint"))
    assert type(twin).__name__ == "Qwen3ForCausalLM"
    tokens = torch.tensor(tiny_model.sequences(3, shortest=24, longest=24))
    with torch.no_grad():
        ours, theirs = made(tokens), twin(tokens).logits
    assert ours.std() > 0.5  # or parity would be cheap
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_padding_on_the_right_changes_nothing_before_it() -> None:
    made = tiny_model.decoder(key_value_heads=2)
    short, long = tiny_model.sequences(2, shortest=7, longest=7)[0], tiny_model.sequences(1, shortest=20)[0]
    with torch.no_grad():
        alone, together = made(torch.tensor([short]))[0], made(pad([short, long], 0))[0, : len(short)]
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


def test_classifier_reads_the_last_token_as_transformers_does(tmp_path: Path) -> None:
    made = tiny_model.decoder(labels=1)
    twin = AutoModelForSequenceClassification.from_pretrained(tiny_model.save(made, tmp_path / "helpful"))
    pad_id = tiny_model.codec().pad_id
    sequences = [[t for t in s if t != pad_id] for s in tiny_model.sequences(4)]
    padded = pad(sequences, pad_id)
    with torch.no_grad():
        theirs = twin(padded, attention_mask=(padded != pad_id).long()).logits[:, 0]
    model = RewardModel(load_decoder(tmp_path / "helpful"), pad_id=pad_id)
    ours = torch.tensor(model.score_all(sequences, budget=40))  # in several batches, in another order
    assert ours.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("key_value_heads", [4, 2])
@torch.no_grad()
def test_prefill_and_steps_equal_the_whole(key_value_heads: int) -> None:
    """Prompts of different lengths, each continued at its own position; one sequence leaves on the way."""
    made = tiny_model.decoder(key_value_heads=key_value_heads)
    sequences, prompts = tiny_model.sequences(3, shortest=16, longest=16), [5, 9, 2]
    whole = made(torch.tensor(sequences))
    padded = pad([s[:n] for s, n in zip(sequences, prompts, strict=True)], 0)
    hidden, cache = made.prefill(padded, torch.tensor(prompts), 16)
    rows, position = torch.arange(3), torch.tensor(prompts)
    torch.testing.assert_close(made.logits(hidden[rows, position - 1]), whole[rows, position - 1], rtol=1e-4, atol=1e-5)
    tokens = torch.tensor(sequences)
    for step in range(6):
        if step == 3:
            keep = torch.tensor([2, 0])
            rows, position, cache = rows[keep], position[keep], cache.select(keep)
        logits = made.step(tokens[rows, position], position, cache)
        torch.testing.assert_close(logits, whole[rows, position], rtol=1e-4, atol=1e-5)
        position = position + 1


def test_a_sequence_beyond_the_model_s_positions_is_the_user_s_to_mend() -> None:
    made = tiny_model.decoder(positions=16)
    with pytest.raises(UserError, match="may take 17 tokens, but the model has 16 positions") as caught:
        made(torch.zeros(1, 17, dtype=torch.long))
    assert "max_positions" in caught.value.hint
    with pytest.raises(UserError, match="20 tokens"):
        made.prefill(torch.zeros(1, 4, dtype=torch.long), torch.tensor([4]), 20)
