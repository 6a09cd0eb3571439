"""A model of two layers with a trained tokenizer, for tests: random weights, made in well under a second."""

from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer

from stages.contract.params import World
from stages.model.checkpoint import save_checkpoint
from stages.model.decoder import Decoder, DecoderConfig
from stages.model.tokenizer import TokenizerCodec, save_tokenizer, train_tokenizer
from stages.tasks.corpus import documents

WORLD = World(
    families={"chain": 1.0, "word": 1.0, "logic": 1.0, "code": 1.0},
    difficulties=[2, 3],
    chinese=0.3,
    documents=1200,
    general=0.1,
)


@cache
def texts() -> tuple[str, ...]:
    kept, _ = documents(WORLD, seed=3, held_out=frozenset())
    return tuple(kept["text"].to_list())


@cache
def tokenizer() -> Tokenizer:
    return train_tokenizer(texts(), vocabulary=400)


def codec() -> TokenizerCodec:
    return TokenizerCodec(tokenizer(), template="tiny")


def decoder(
    *, key_value_heads: int = 4, labels: int = 0, scale: float = 8.0, seed: int = 5, positions: int = 128
) -> Decoder:
    """`scale` widens the fresh weights, so that the distributions are far from uniform."""
    config = DecoderConfig(
        vocab_size=tokenizer().get_vocab_size(),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=key_value_heads,
        head_dim=16,
        rope_theta=1000.0,
        rms_norm_eps=1e-6,
        max_position_embeddings=positions,
    )
    made = Decoder(config, labels=labels)
    made.initialise(torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim == 2:
                parameter.mul_(scale)
            else:  # norms other than 1, or a norm left out would go unseen
                parameter.add_(torch.linspace(-0.3, 0.3, len(parameter)))
    return made


def save(made: Decoder, folder: Path) -> Path:
    """Write a checkpoint folder."""
    save_tokenizer(tokenizer(), folder)
    save_checkpoint(made, tokenizer(), folder, tokenizer_from=folder)
    return folder


def sequences(count: int, *, shortest: int = 4, longest: int = 20, seed: int = 0) -> list[list[int]]:
    """Random token ids, of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest + 1, (count,), generator=generator).tolist()
    size = tokenizer().get_vocab_size()
    return [torch.randint(0, size, (n,), generator=generator).tolist() for n in lengths]
