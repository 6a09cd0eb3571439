"""The planned activations of the embedded decoder are what autograd keeps, counted tensor by tensor."""

import pytest
import torch

from r1cli.plan.memory import GB, memory
from r1cli.plan.models import model_of
from r1cli.plan.place import PLACES
from r1cli.plan.work import Training, Work
from stages.contract.params import Base, Pretrain, Shape
from stages.model.decoder import Decoder, DecoderConfig

TOKENS = (12, 100)


@pytest.mark.parametrize(("hidden", "heads", "feed_forward"), [(96, 3, 256), (64, 2, 160)])
def test_planned_activations_are_those_that_are_kept(hidden: int, heads: int, feed_forward: int) -> None:
    shape = Shape(
        hidden=hidden,
        layers=4,
        heads=heads,
        head_dim=32,
        feed_forward=feed_forward,
        rope_theta=100.0,
        max_positions=2048,
    )
    pretrain = Pretrain(
        steps=1, tokens_per_step=1, lr_matrix=1.0, lr_other=1.0, warmup_steps=0, decay_from=0.5, betas=[0.9, 0.95]
    )
    model = model_of(Base(source="pretrain", path="", revision="", vocabulary=448, shape=shape, pretrain=pretrain))
    decoder = Decoder(
        DecoderConfig(
            vocab_size=448,
            hidden_size=hidden,
            intermediate_size=feed_forward,
            num_hidden_layers=4,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=32,
            rope_theta=100.0,
            rms_norm_eps=1e-6,
            max_position_embeddings=2048,
        )
    )
    assert sum(parameter.numel() for parameter in decoder.parameters()) == model.parameters
    weights = {parameter.untyped_storage().data_ptr() for parameter in decoder.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden_states = decoder.hidden(torch.randint(0, 448, TOKENS))
    count = TOKENS[0] * TOKENS[1]
    training = Training(sequences=1, batch=1, cap=TOKENS[1], micro_tokens=count)
    work = Work(stage="sft", section="sft", model=model, training=(training,))
    assert hidden_states.shape == (*TOKENS, hidden)
    assert memory(work, PLACES["tiny"]).activations * GB == pytest.approx(sum(kept.values()), rel=0.15)
