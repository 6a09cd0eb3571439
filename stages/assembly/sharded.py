"""A checkpoint that several processes train together (stages/model/trainer.py)."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages.assembly.models import Model, Scalar, Scores, team_of
from stages.contract.engine import Completion, Engine
from stages.contract.params import Params
from stages.contract.ranks import ranks_of
from stages.contract.team import Team
from stages.model.checkpoint import TOKENIZER_FILES, load_decoder
from stages.model.decoder import Cache, Decoder
from stages.model.tokenizer import TokenizerCodec, load_tokenizer
from stages.model.trainer import connect, open_frozen, open_sharded
from stages.model.transformer import TransformerPolicy, TransformerReward, classifier_of, load_transformer
from stages.rollout.embedded import EmbeddedEngine
from stages.rollout.served import vllm_engine
from stages.rollout.vllm import Weights


class FirstSamples:
    """An engine that only the first process has, from when it is first needed; all processes get what it sampled, and all
    bring it new weights."""

    def __init__(self, policy: TransformerPolicy, build: Callable[[Weights], Engine], *, copies_weights: bool) -> None:
        self.copies_weights = copies_weights
        self._policy, self._build = policy, build
        self._renewed = False

    @cached_property
    def _engine(self) -> Engine:
        return self._build(self._weights)

    def _weights(self) -> Iterator[tuple[str, Tensor]]:
        streamed = self._policy.model.whole()
        names = (spec.name for spec in streamed.specs())
        yield from zip(names, streamed.tensors(), strict=True)

    def renew(self) -> None:
        self._renewed = True
        if self._policy.model.processes.leads:
            self._engine.renew()
        else:
            for _ in self._weights():
                pass  # takes its part in putting them together

    def generate(self, prompts: Sequence[Sequence[int]], **settings: Any) -> list[list[Completion]]:
        """See the Protocol. The first call brings weights, since a server asks for them: all processes must be there."""
        if not self._renewed:
            self.renew()
        processes = self._policy.model.processes
        return processes.first(self._engine.generate(prompts, **settings) if processes.leads else [])


class Copying(EmbeddedEngine[Cache]):
    """The embedded engine with a decoder of its own, for weights that lie in parts."""

    def __init__(self, decoder: Decoder, weights: Weights, *, codec: TokenizerCodec, batch: int, team: Team) -> None:
        super().__init__(decoder, end_id=codec.end_id, pad_id=codec.pad_id, batch=batch, team=team)
        self._mine, self._weights = dict(decoder.named_parameters()), weights

    @torch.no_grad()
    def renew(self) -> None:
        for name, tensor in self._weights():
            self._mine[name].copy_(tensor)


def open_together(folder: Path, params: Params) -> Model:
    """Load a checkpoint in every process of this job, to be trained by DeepSpeed."""
    assert params.rollout is not None
    ranks, settings, rollout, team = ranks_of(os.environ), params.trainer, params.rollout, team_of(params)
    processes = connect(ranks)
    tokenizer = load_tokenizer(folder)
    codec = TokenizerCodec(tokenizer, template=rollout.template)
    policy = TransformerPolicy(
        open_sharded(partial(load_transformer, folder, settings), settings, ranks, processes), pad_id=codec.pad_id
    )

    config = json.loads((folder / "config.json").read_text())

    def save(trained: TransformerPolicy | TransformerReward, changed: Mapping[str, object], out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        trained.write(out)
        if processes.leads:
            written = {**config, "dtype": settings.dtype, **changed}
            (out / "config.json").write_text(json.dumps(written, indent=1) + "\n")
            for name in (name for name in (*TOKENIZER_FILES, "generation_config.json") if (folder / name).exists()):
                shutil.copyfile(folder / name, out / name)

    def scalar() -> Scalar:
        """All its weights are trained: adapters would leave its head out."""
        whole = replace(settings, lora=None)
        built = partial(load_transformer, folder, whole, labels=1)
        trained = TransformerReward(open_sharded(built, whole, ranks, processes), pad_id=codec.pad_id)
        headed = {"architectures": [classifier_of(config)], "num_labels": 1}
        names = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
        return Scalar(scoring=trained, save=partial(save, trained, {**headed, **names}), weights_digest=trained.digest)

    def judging(path: Path) -> Scores:
        frozen = open_frozen(partial(load_transformer, path, settings, labels=1), settings, ranks, processes)
        return TransformerReward(frozen, pad_id=codec.pad_id).score_all

    embedded = rollout.engine == "embedded"

    def engine(weights: Weights) -> Engine:
        if embedded:
            return Copying(load_decoder(folder), weights, codec=codec, batch=rollout.batch, team=team)
        # Where several train together vLLM is a process of its own: within one of them it would take the others for its own.
        return vllm_engine(
            folder,
            settings=rollout.vllm,
            end_id=codec.end_id,
            weights=weights,
            threads=team.size,
            apart=processes.size > 1,
        )

    return Model(
        folder=folder,
        policy=policy,
        codec=codec,
        engine=FirstSamples(policy, engine, copies_weights=not embedded),
        team=team,
        positions=config["max_position_embeddings"],
        save=partial(save, policy, {}),
        weights_digest=policy.digest,
        scalar=scalar,
        judging=judging,
        processes=processes,
    )
