"""How stage files put the rooms together: models, engines, scorers, and the three kinds of work on them.

This is part of the stage files, not a room: it is the only other place that imports several rooms.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from stages.contract.engine import Completion, Engine
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.params import RL, SFT, Base, Params, Reward, Rollout, Sampling
from stages.contract.schemas import DOCUMENTS, EXAMPLES, ROLLOUTS, TASKS, content_id
from stages.contract.tables import owner, read_table, write_table
from stages.contract.task import Score, Task, tasks_of
from stages.contract.transcript import ANSWER, END_ANSWER, split
from stages.curate.dedup import deduplicate
from stages.curate.filters import Filter, Row, keep
from stages.curate.mix import keep_per
from stages.curate.outcome import Curated, then
from stages.evals.reflection import reflective_words
from stages.model.checkpoint import load, load_decoder, new_decoder, save_checkpoint
from stages.model.imported import import_checkpoint
from stages.model.optimiser import adamw
from stages.model.policy import DecoderPolicy
from stages.model.pretrain import pretrain
from stages.model.reward_model import RewardModel
from stages.model.sft import fine_tune
from stages.model.tokenizer import TokenizerCodec, load_tokenizer, save_tokenizer, train_tokenizer
from stages.rewards.scorer import grade
from stages.rl.loop import Parts, Sample, Scorer, limit_at, train
from stages.rollout.embedded import EmbeddedEngine
from stages.tasks.problems import states_in
from stages.tasks.traces import REFLECTIVE

Judge = Callable[[Sequence[Task], Sequence[str]], list[float | None]]
"""(tasks, responses) -> a reward model's scores, None where none applies."""


def set_threads(params: Params) -> None:
    """Sums depend on the number of threads, so it is a param and not an accident of the machine."""
    torch.set_num_threads(max(1, params.threads))
    torch.use_deterministic_algorithms(True)


GRADED = {"verdict": pl.String(), "language_consistency": pl.Float64()}


# -- models ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Model:
    """A checkpoint that is ready to train and to sample from."""

    folder: Path
    policy: DecoderPolicy
    codec: TokenizerCodec
    engine: Engine

    def save(self, folder: Path) -> None:
        save_checkpoint(self.policy.decoder, self.codec.tokenizer, folder, tokenizer_from=self.folder)


def open_model(folder: Path, rollout: Rollout) -> Model:
    """Load a checkpoint and the engine that samples from its live weights."""
    if rollout.engine != "embedded":
        raise UserError(f"rollout.engine {rollout.engine!r} is not in this release of r1", hint="r1 profile use tiny")
    decoder, tokenizer = load(folder)
    codec = TokenizerCodec(tokenizer, template=rollout.template)
    return Model(
        folder=folder,
        policy=DecoderPolicy(decoder, pad_id=codec.pad_id),
        codec=codec,
        engine=EmbeddedEngine(decoder, end_id=codec.end_id, pad_id=codec.pad_id, batch=rollout.batch),
    )


def digest(folder: Path) -> str:
    """A checkpoint's identity: 16 bytes of SHA-256 over its weights, in hex."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:32]


def born(base: Base, paths: Paths, report: Reporter, *, seed: int, tokenizer_from: Path | None) -> None:
    """Write a base model's checkpoint: pre-trained here, or imported."""
    out = paths.out / "checkpoint"
    if base.source == "import":
        import_checkpoint(base.path, base.revision, out)
        paths.write_metrics({"imported": 1})
        return
    assert base.shape is not None and base.pretrain is not None
    corpus = read_table(paths.data / "prompts" / "corpus.parquet", DOCUMENTS)["text"].to_list()
    if tokenizer_from is None:
        save_tokenizer(train_tokenizer(corpus[::5], vocabulary=base.vocabulary), out)
        tokenizer_from = out
    tokenizer = load_tokenizer(tokenizer_from)
    codec = TokenizerCodec(tokenizer, template="tiny")
    decoder = new_decoder(base.shape, vocabulary=tokenizer.get_vocab_size(), seed=seed)
    tokens = [encoding.ids for encoding in tokenizer.encode_batch(corpus, add_special_tokens=False)]
    curve = pretrain(decoder, tokens, base.pretrain, pad_id=codec.pad_id, seed=seed, report=report)
    save_checkpoint(decoder, tokenizer, out, tokenizer_from=tokenizer_from)
    paths.write_curve("curve", curve)
    paths.write_metrics(
        {
            "loss": curve[-1]["loss"],
            "tokens": curve[-1]["tokens"],
            "parameters": sum(p.numel() for p in decoder.parameters()),
        }
    )


# -- rewards --------------------------------------------------------------------------------------


def scorer(weights: Reward, judge: Judge | None = None) -> Scorer:
    """Rules, weighed by the params; on general prompts the reward model's score, where there is a judge.

    Paper, stage 2: reasoning prompts earn the rules' reward, general ones the reward model's and the
    format's; language consistency is added to both.
    """

    def score(
        tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool], lengths: Sequence[int], limit: int
    ) -> list[Score]:
        preferences = judge(tasks, texts) if judge else [None] * len(tasks)
        scores = []
        for task, text, done, length, preference in zip(tasks, texts, finished, lengths, preferences, strict=True):
            g = grade(task, text, finished=done)
            reward = weights.format * g.format + weights.language * g.language
            reward += (
                weights.accuracy * g.accuracy if task.kind == "reasoning" else weights.preference * (preference or 0.0)
            )
            reward -= weights.overlong * max(0.0, (length - 0.8 * limit) / (0.2 * limit))
            scores.append(
                Score(
                    verdict=g.verdict,
                    reason=g.reason,
                    accuracy=g.accuracy,
                    format=g.format,
                    language=g.language,
                    preference=preference,
                    reward=reward,
                )
            )
        return scores

    return score


def reward_judge(data: Path, codec: TokenizerCodec) -> Judge:
    """The two reward models: helpful ones read the summary only, the safety one the whole response.

    Scores are probabilities (the logistic of the model's output), so both kinds share one scale.
    """
    models = {
        kind: RewardModel(load_decoder(data / "reward_model" / kind), pad_id=codec.pad_id)
        for kind in ("helpful", "safety")
    }

    def judge(tasks: Sequence[Task], texts: Sequence[str]) -> list[float | None]:
        scores: list[float | None] = [None] * len(tasks)
        for kind, model in models.items():
            rows = [i for i, task in enumerate(tasks) if task.kind == kind]
            raw = model.score_all([read_by(kind, codec, tasks[i].prompt, texts[i]) for i in rows])
            for row, value in zip(rows, torch.tensor(raw).sigmoid().tolist(), strict=True):
                scores[row] = value
        return scores

    return judge


def read_by(kind: str, codec: TokenizerCodec, prompt: str, response: str) -> list[int]:
    """The tokens that a reward model reads: prompt and summary (helpful), or prompt and everything (safety)."""
    if kind == "helpful":
        response = f"{ANSWER}{split(response).answer or ''}{END_ANSWER}"
    return codec.prompt(prompt) + codec.response(response)


# -- the three kinds of work ----------------------------------------------------------------------


def picker(tasks: Sequence[Task], per_step: int, *, seed: int) -> Callable[[int], list[Task]]:
    """The tasks of each step: epoch after epoch, each in an order of its own."""
    if not tasks:
        raise UserError("there are no tasks to train on", hint="r1 run prompts -f")
    orders: dict[int, list[int]] = {}

    def pick(step: int) -> list[Task]:
        chosen = []
        for position in range(step * per_step, (step + 1) * per_step):
            epoch, place = divmod(position, len(tasks))
            if epoch not in orders:
                generator = torch.Generator().manual_seed(seed * 104_729 + epoch)
                orders[epoch] = torch.randperm(len(tasks), generator=generator).tolist()
            chosen.append(tasks[orders[epoch][place]])
        return chosen

    return pick


def fitting(model: Model, tasks: Sequence[Task], *, max_new_tokens: int, report: Reporter) -> list[Task]:
    """The tasks whose prompt and answer fit into the model's positions; the user is told how many don't."""
    room = model.policy.decoder.config.max_position_embeddings - max_new_tokens
    fit = [task for task in tasks if len(model.codec.prompt(task.prompt)) <= room]
    if len(fit) < len(tasks):
        report.note(f"{len(tasks) - len(fit)} of {len(tasks)} prompts are longer than {room} tokens and are left out")
    return fit


def held_out_guard(*frames: pl.DataFrame) -> Callable[[str], bool]:
    """Whether a text works on a held-out problem. Such a text must not be trained on."""
    problems = frozenset(states[0] for frame in frames for states in frame["states"].to_list())
    return lambda text: not problems.isdisjoint(states_in(text))


def count_reflective(text: str) -> int:
    """Reflective words in a response's thought."""
    return reflective_words(text, extra=REFLECTIVE)


def sampling_digest(temperature: float, top_p: float, max_new_tokens: int) -> str:
    return content_id("sampling", [temperature, top_p, max_new_tokens])


def reinforce(
    params: Params,
    settings: RL,
    paths: Paths,
    report: Reporter,
    *,
    start_from: str,
    judge: Callable[[Model], Judge] | None = None,
    pick: Callable[[int], list[Task]] | None = None,
    general: Sequence[Task] = (),
) -> None:
    """GRPO from a checkpoint; writes checkpoint/, rollouts.parquet, curves and metrics.

    `pick` chooses each step's tasks (default: the training pool's, epoch by epoch); `general` are held-out
    general prompts that validation also judges.
    """
    assert params.rollout is not None
    model = open_model(paths.data / start_from, params.rollout)
    pool = read_table(paths.data / "prompts" / "train.parquet", TASKS)
    validation = read_table(paths.data / "prompts" / "validation.parquet", TASKS)
    test = read_table(paths.data / "prompts" / "test.parquet", TASKS)  # for the guard only
    longest = max(stretch.max_new_tokens for stretch in settings.lengths)
    tasks = fitting(model, tasks_of(pool), max_new_tokens=longest, report=report)
    problems = fitting(model, tasks_of(validation), max_new_tokens=longest, report=report)[: settings.validate_problems]
    kept: list[dict[str, object]] = []
    parts = Parts(
        policy=model.policy,
        engine=model.engine,
        codec=model.codec,
        score=scorer(settings.reward, judge(model) if judge else None),
        pick=pick or picker(tasks, settings.prompts_per_step, seed=params.seed),
        forbidden=held_out_guard(validation, test),
        reflective=count_reflective,
        validate=lambda draw: _validation_figures(draw([*problems, *general])),
        keep=lambda step, samples: kept.extend(_rollout_rows(step, samples, settings, params.seed)),
    )
    optimiser = adamw(model.policy.parameters(), betas=settings.betas, weight_decay=settings.weight_decay)
    curve, validated = train(parts, settings, seed=params.seed, optimiser=optimiser, report=report)
    model.save(paths.out / "checkpoint")
    write_table(pl.DataFrame(kept, schema=ROLLOUTS.schema), paths.out / "rollouts.parquet", ROLLOUTS)
    paths.write_curve("curve", curve)
    paths.write_curve("validation", validated)
    last = validated[-1]
    recent = curve[-10:]
    paths.write_metrics(
        {
            "validation_accuracy": last["accuracy"],
            "validation_format": last["format"],
            "validation_language": last["language"],
            "validation_length": last["length"],
            "reward": sum(r["reward"] for r in recent) / len(recent),
            "entropy": sum(r["entropy"] for r in recent) / len(recent),
            "unknown": sum(r["unknown"] for r in recent) / len(recent),
            "preference": last.get("preference"),
        }
    )


def _validation_figures(samples: Sequence[Sample]) -> dict[str, float]:
    ruled = [s for s in samples if s.task.kind == "reasoning"]
    judged = [s.earned.preference for s in samples if s.earned.preference is not None]
    thinking = any(split(s.text).thought for s in ruled)
    figures = {
        "accuracy": _mean(s.earned.accuracy for s in ruled),
        "format": _mean(s.earned.format for s in ruled),
        # An answer without a thought mixes no languages; it would only flatter the mean.
        "language": _mean(s.earned.language for s in ruled if split(s.text).thought) if thinking else 1.0,
        "length": _mean(len(s.tokens) for s in ruled),
        "reflective": _mean(count_reflective(s.text) for s in ruled),
    }
    for family in sorted({s.task.family for s in ruled}):
        figures[f"accuracy_{family}"] = _mean(s.earned.accuracy for s in ruled if s.task.family == family)
    if judged:
        figures["preference"] = _mean(judged)
    return figures


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / max(1, len(listed))


def _rollout_rows(step: int, samples: Sequence[Sample], settings: RL, seed: int) -> list[dict[str, object]]:
    begun = step - 1 - (step - 1) % settings.steps_per_rollout  # policy updates before the rollout was sampled
    sampling = sampling_digest(settings.temperature, settings.top_p, limit_at(settings, begun))
    rows = []
    for sample in samples:
        row: dict[str, object] = {
            "r1_parents": [sample.task.id],
            "r1_op": "generate",
            # The policy of a step is named by the step: its weights are not kept.
            "r1_gen": {"checkpoint": f"step-{begun}", "sampling": sampling, "seed": seed, "draw": sample.draw},
            "step": step,
            "task_id": sample.task.id,
            "kind": sample.task.kind,
            "family": sample.task.family,
            "language": sample.task.language,
            "prompt": sample.task.prompt,
            "completion": sample.text,
            "num_tokens": len(sample.tokens),
            "finish": "stop" if sample.finished else "length",
            "verdict": sample.earned.verdict,
            "reason": sample.earned.reason,
            "accuracy": sample.earned.accuracy,
            "format": sample.earned.format,
            "language_consistency": sample.earned.language,
            "preference": sample.earned.preference,
            "reward": sample.earned.reward,
            "advantage": sample.advantage,
            "masked": sample.masked,
        }
        rows.append({"r1_id": ROLLOUTS.row_id(row), **row})
    return rows


def tune(params: Params, settings: SFT, paths: Paths, report: Reporter, *, start_from: str, examples: str) -> None:
    """SFT of a checkpoint on a table of examples; writes checkpoint/, a curve and metrics."""
    assert params.rollout is not None
    model = open_model(paths.data / start_from, params.rollout)
    frame = read_table(paths.data / examples, EXAMPLES)
    if frame.is_empty():
        raise UserError(
            f"data/{examples} has no rows: the sampling model answered nothing well enough",
            hint=f"r1 run {owner(paths.data / examples)} -f",
        )
    prompts = [model.codec.prompt(text) for text in frame["prompt"]]
    responses = [model.codec.response(text) for text in frame["response"]]
    curve = fine_tune(model.policy, prompts, responses, settings, seed=params.seed, report=report)
    model.save(paths.out / "checkpoint")
    paths.write_curve("curve", curve)
    recent = curve[-20:]
    paths.write_metrics(
        {
            "rows": len(frame),
            "steps": len(curve),
            "loss": _mean(r["loss"] for r in recent),
            "tokens": sum(map(len, responses)) * settings.epochs,
        }
    )


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One sampled answer to a task, with its text."""

    task: Task
    number: int
    completion: Completion
    text: str


def sample_tasks(
    model: Model, tasks: Sequence[Task], sampling: Sampling, *, draws: int, seed: int, report: Reporter, name: str
) -> list[Draw]:
    """`draws` answers for each task, in the tasks' order."""
    chunk = 256  # prompts a call; each call has its own seed
    report.phase(name, total=len(tasks))
    found = []
    for begin in range(0, len(tasks), chunk):
        part = tasks[begin : begin + chunk]
        groups = model.engine.generate(
            [model.codec.prompt(t.prompt) for t in part],
            draws=draws,
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=seed * 1_000_003 + begin,
        )
        found += [
            Draw(task=task, number=number, completion=c, text=model.codec.text(c.tokens))
            for task, group in zip(part, groups, strict=True)
            for number, c in enumerate(group)
        ]
        report.step(begin + len(part), {"tokens": sum(len(d.completion.tokens) for d in found)})
    return found


def example_rows(
    draws: Sequence[Draw], texts: Sequence[str], sampling: Sampling, *, checkpoint: str, seed: int, op: str
) -> pl.DataFrame:
    """Sampled answers (or what a refiner made of them, `texts`) as rows of EXAMPLES, graded: two more columns,
    `verdict` and `language_consistency`, that the curation filters read and `curated_examples` drops."""
    settings = sampling_digest(sampling.temperature, sampling.top_p, sampling.max_new_tokens)
    rows = []
    for draw, text in zip(draws, texts, strict=True):
        grades = grade(draw.task, text, finished=draw.completion.finished)
        row: dict[str, object] = {
            "r1_parents": [draw.task.id],
            "r1_op": op if text != draw.text else "generate",
            "r1_gen": {"checkpoint": checkpoint, "sampling": settings, "seed": seed, "draw": draw.number},
            "task_id": draw.task.id,
            "kind": draw.task.kind,
            "family": draw.task.family,
            "language": draw.task.language,
            "prompt": draw.task.prompt,
            "response": text,
            "num_tokens": len(draw.completion.tokens),
            "source": "r1/sampled",
            "verdict": grades.verdict,
            "language_consistency": grades.language,
        }
        rows.append({"r1_id": EXAMPLES.row_id(row), **row})
    return pl.DataFrame(rows, schema={**EXAMPLES.columns, **GRADED})


def curated_examples(
    frame: pl.DataFrame, filters: Sequence[Filter], *, held_out: Callable[[str], bool], keep_per_prompt: int, seed: int
) -> Curated:
    """Filter graded rows, drop repeats and rows on held-out problems, and keep at most so many a prompt."""

    def held(row: Row) -> str | None:
        return "held_out_state" if held_out(str(row["response"])) else None

    filtered = keep(frame, [*filters, held])
    unique = then(filtered, deduplicate(filtered.kept, by=("prompt", "response")))
    few = then(unique, keep_per(unique.kept, by="task_id", count=keep_per_prompt, seed=seed))
    return Curated(kept=few.kept.drop(*GRADED), rejected=few.rejected.drop(*GRADED))


def reasons(frame: pl.DataFrame) -> dict[str, int]:
    """Dropped rows by reason."""
    return dict(sorted(Counter(str(r).split(":")[0] for r in frame["r1_drop"]).items()))
