"""Pre-training, fine-tuning and reward models: what the loss covers, what is refused, what repeats."""

import math
from dataclasses import replace

import pytest
import torch

from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.params import SFT, Pretrain
from stages.model.policy import DecoderPolicy
from stages.model.pretrain import pretrain
from stages.model.reward_model import RewardModel, train_pairwise, train_pointwise
from stages.model.sft import fine_tune
from tests import tiny_model

SETTINGS = SFT(
    epochs=1, batch_size=4, lr=1e-3, lr_end=0.1, warmup_steps=0, betas=[0.9, 0.95], weight_decay=0.0, max_grad_norm=1e9,
    max_tokens=64, micro_tokens=1000,
)  # fmt: skip
PROMPTS = [[11, 12, 13], [14, 15], [11, 16, 17, 18]]
RESPONSES = [[21, 22], [23, 24, 25, 26], [27]]


def _policy() -> DecoderPolicy:
    return DecoderPolicy(tiny_model.decoder(), pad_id=0)


def _weights(policy: DecoderPolicy) -> dict[str, list[float]]:
    return {name: tensor.flatten().tolist() for name, tensor in policy.decoder.state_dict().items()}


def test_the_loss_is_the_mean_over_response_tokens() -> None:
    policy = _policy()
    with torch.no_grad():
        total = 0.0
        for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
            logps = torch.log_softmax(policy.decoder(torch.tensor([prompt + response]))[0], -1)
            total -= sum(float(logps[len(prompt) - 1 + i, token]) for i, token in enumerate(response))
    curve = fine_tune(policy, PROMPTS, RESPONSES, SETTINGS, seed=0, report=Silent())
    assert len(curve) == 1 and curve[0]["step"] == 1
    assert curve[0]["loss"] == pytest.approx(total / 7, rel=1e-5)


def test_the_prompt_is_not_learnt() -> None:
    """Only the response's positions predict: a head row that is no target and no input moves by its softmax alone.

    With a single response token the gradient of the output matrix is (p - onehot) x hidden at one position.
    Embeddings are tied, so it is looked at through a token that stands in neither prompt nor response.
    """
    policy = _policy()
    prompt, response, absent = [11, 12, 13], [21], 55
    hidden = policy.decoder.hidden(torch.tensor([prompt]))[0, -1].detach()
    probability = torch.softmax(policy.decoder.logits(hidden), -1)[absent].detach()
    logps, _, mask = policy.logps([prompt], [response], temperature=1.0)
    (-(logps * mask).sum()).backward()  # type: ignore[no-untyped-call]
    gradient = policy.decoder.model.embed_tokens.weight.grad
    assert gradient is not None
    torch.testing.assert_close(gradient[absent], probability * hidden, rtol=1e-4, atol=1e-6)


def test_prompt_tokens_are_no_targets() -> None:
    """After many steps the response is known by heart, and the prompt's own tokens are not."""
    policy = DecoderPolicy(tiny_model.decoder(scale=1.0), pad_id=0)
    prompt, response = [11, 12, 13, 14], [21, 22, 23]
    fine_tune(policy, [prompt], [response], replace(SETTINGS, epochs=90, lr=1e-2), seed=0, report=Silent())
    logps = torch.log_softmax(policy.decoder(torch.tensor([prompt + response]))[0], -1).detach()
    known = [float(logps[i - 1, token].exp()) for i, token in enumerate([*prompt, *response]) if i]
    assert min(known[3:]) > 0.9 and max(known[:3]) < 0.1


def test_micro_batches_change_nothing_but_the_memory() -> None:
    whole, cut = _policy(), _policy()
    first = fine_tune(whole, PROMPTS, RESPONSES, SETTINGS, seed=0, report=Silent())
    second = fine_tune(cut, PROMPTS, RESPONSES, replace(SETTINGS, micro_tokens=1), seed=0, report=Silent())
    assert first[0]["loss"] == pytest.approx(second[0]["loss"], rel=1e-5)
    assert first[0]["grad_norm"] == pytest.approx(second[0]["grad_norm"], rel=1e-4)


def test_fine_tuning_repeats_itself_and_sees_every_row_once_an_epoch() -> None:
    one, same = _policy(), _policy()
    settings = replace(SETTINGS, epochs=2, batch_size=2)
    curves = [fine_tune(p, PROMPTS, RESPONSES, settings, seed=3, report=Silent()) for p in (one, same)]
    assert curves[0] == curves[1] and len(curves[0]) == 4
    assert _weights(one) == _weights(same)


def test_no_rows_and_long_rows_are_refused() -> None:
    with pytest.raises(UserError, match="no rows"):
        fine_tune(_policy(), [], [], SETTINGS, seed=0, report=Silent())
    policy = _policy()
    before = _weights(policy)
    with pytest.raises(UserError, match="a row has 6 tokens, max_tokens is 5"):
        fine_tune(policy, PROMPTS, RESPONSES, replace(SETTINGS, max_tokens=5), seed=0, report=Silent())
    assert _weights(policy) == before


PRETRAIN = Pretrain(
    steps=60, tokens_per_step=300, lr_matrix=1e-2, lr_other=5e-3, warmup_steps=5, decay_from=0.5, betas=[0.9, 0.95]
)  # fmt: skip


def test_pre_training_learns_counts_its_tokens_and_repeats_itself() -> None:
    texts = [e.ids for e in tiny_model.tokenizer().encode_batch(list(tiny_model.texts()[:200]))]
    pad_id, runs = tiny_model.codec().pad_id, []
    for _ in range(2):
        decoder = tiny_model.decoder(scale=1.0)
        curve = pretrain(decoder, texts, PRETRAIN, pad_id=pad_id, seed=1, report=Silent())
        runs.append((curve, _weights(DecoderPolicy(decoder, pad_id=pad_id))))
    assert runs[0] == runs[1]
    curve = runs[0][0]
    assert [row["step"] for row in curve] == [50, 60]
    assert curve[-1]["loss"] < 0.6 * math.log(400) and curve[-1]["loss"] < curve[0]["loss"]
    assert 60 * 100 < curve[-1]["tokens"] <= 60 * 300


def test_pre_training_without_documents_is_refused() -> None:
    with pytest.raises(UserError, match="no documents"):
        pretrain(tiny_model.decoder(), [], PRETRAIN, pad_id=0, seed=1, report=Silent())


def _scalar() -> RewardModel:
    model = RewardModel(tiny_model.decoder(scale=1.0, labels=1), pad_id=0)
    assert model.decoder.score is not None
    torch.nn.init.zeros_(model.decoder.score.weight)
    return model


def test_a_pairwise_model_learns_to_tell_and_starts_from_log_two() -> None:
    chosen = [[5, 6, 30 + i % 3, 7] for i in range(32)]
    rejected = [[5, 6, 40 + i % 3, 7, 7] for i in range(32)]
    model = _scalar()
    settings = replace(SETTINGS, epochs=8, batch_size=8, lr=5e-3)
    curve = train_pairwise(model, chosen, rejected, settings, seed=0, report=Silent())
    assert curve[0]["loss"] == pytest.approx(math.log(2)) and len(curve) == 32
    assert curve[-1]["loss"] < 0.1 and curve[-1]["accuracy"] == 1.0
    assert min(model.score_all(chosen)) > max(model.score_all(rejected))


def test_a_pointwise_model_learns_the_label() -> None:
    sequences = [[5, 30 + i % 2 * 10, *[7] * (i % 4)] for i in range(32)]
    safe = [i % 2 == 0 for i in range(32)]
    model = _scalar()
    settings = replace(SETTINGS, epochs=8, batch_size=8, lr=5e-3)
    curve = train_pointwise(model, sequences, safe, settings, seed=0, report=Silent())
    assert curve[0]["loss"] == pytest.approx(math.log(2))
    assert [score > 0 for score in model.score_all(sequences)] == safe


def test_a_reward_model_without_rows_is_refused() -> None:
    with pytest.raises(UserError, match="no rows to train the helpful reward model on"):
        train_pairwise(_scalar(), [], [], SETTINGS, seed=0, report=Silent())
    with pytest.raises(UserError, match="safety reward model"):
        train_pointwise(_scalar(), [], [], SETTINGS, seed=0, report=Silent())
    assert _scalar().score_all([]) == []
