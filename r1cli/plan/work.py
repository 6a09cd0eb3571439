"""What a stage does, in numbers: the samples it draws and the tokens it trains on. From params alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from r1cli.plan.models import Model, model_of
from stages.contract.params import RL, SFT, Params, Pretrain, Sampling

PROMPT_TOKENS = 200  # RECIPE: the paper's prompts have 122 to 420 tokens on average, by domain
EMBEDDED_PROMPT_TOKENS = 60  # those of the embedded world
CHUNK = 256  # prompts that stages/assembly/sampling.py hands to an engine together
TEST_PROBLEMS = 1000  # where `evaluate.problems` is 0 (all), before the task pool is built


@dataclass(frozen=True, kw_only=True)
class Draws:
    """`rounds` times `sequences` answers of at most `cap` tokens each; a round ends with its longest. A stage asks its
    engine for `call` of them at once (0: all)."""

    rounds: float
    sequences: int
    cap: int
    call: int = 0


@dataclass(frozen=True, kw_only=True)
class Training:
    """`sequences` in all, `batch` in an update, of at most `cap` tokens (beside the prompt in RL, with it elsewhere).
    `whole`: every sequence is so long. `forwards`: passes over each token beside
    the update's own (old log-probabilities, reference). `models`: weights held beside the trained ones."""

    sequences: float
    batch: int
    cap: int
    micro_tokens: int
    forwards: int = 0
    models: int = 0
    prompt: int = 0  # of each sequence, beside `cap`
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Work:
    """One stage. `training` and `draws` are empty where it does neither. `rows`: answers that are kept."""

    stage: str
    section: str  # its params
    model: Model
    draws: tuple[Draws, ...] = ()
    training: tuple[Training, ...] = ()
    rows: float = 0.0
    documents: int = 0  # of a corpus that is held in memory


def all_work(params: Params) -> list[Work]:
    """The work of every stage that holds a model, in the recipe's order."""
    names = [name for name in ("base", "zero", "cold_start", "cold_sft", "grpo", "rejection", "sft", "reward_model")]
    found = [work for name in [*names, "align"] if (work := _teacher(params, name)) is not None]
    for item in params.students:
        found += _student(params, item)
    if params.evaluate and params.base:
        for name in params.evaluate.models:
            found.append(_evaluation(params, name))
    return found


def _teacher(params: Params, name: str) -> Work | None:
    if params.base is None or getattr(params, name) is None:
        return None
    model = model_of(params.base)
    if name == "base":
        pretrain = params.base.pretrain
        return _pretraining(params, name, "base", model, pretrain) if pretrain else None
    if name in ("zero", "grpo", "align"):
        section = getattr(params, name)
        assert isinstance(section, RL)
        return reinforcement(name, name, section, model)
    if name == "cold_start" and params.cold_start:
        cold = params.cold_start
        rows = cold.prompts * cold.keep_per_prompt
        return Work(stage=name, section=name, model=model, draws=_sampled(cold.prompts, cold.sampling), rows=rows)
    if name == "rejection" and params.rejection:
        taken = params.rejection
        draws = (*_sampled(taken.prompts, taken.sampling), *_sampled(taken.general, taken.sampling, draws=1))
        return Work(stage=name, section=name, model=model, draws=draws, rows=_rejection_rows(params))
    if name == "cold_sft" and params.cold_sft and params.cold_start:
        rows = params.cold_start.prompts * params.cold_start.keep_per_prompt
        return fine_tuning(name, name, params.cold_sft, model, rows)
    if name == "sft" and params.sft:
        return fine_tuning(name, name, params.sft, model, _rejection_rows(params))
    if name == "reward_model" and params.reward_model:
        section_rm = params.reward_model
        answers = 2 * section_rm.pairs + section_rm.labels
        prompts = -(-answers // section_rm.sampling.draws)
        trained = fine_tuning(name, f"{name}.train", section_rm.train, model, answers)
        return Work(
            stage=name,
            section=f"{name}.train",
            model=model,
            draws=_sampled(prompts, section_rm.sampling),
            training=trained.training,
            rows=answers,
        )
    return None


def _student(params: Params, item: str) -> list[Work]:
    student = params.students[item]
    model = model_of(student.base)
    found = []
    if student.base.pretrain:
        found.append(_pretraining(params, f"student@{item}", f"students.{item}.base", model, student.base.pretrain))
    section = f"students.{item}.distill"
    found.append(fine_tuning(f"distill@{item}", section, student.distill, model, _rejection_rows(params)))
    # The paper's control is run for the students that `evaluate` asks for.
    wanted = params.evaluate is None or f"student_zero-{item}" in params.evaluate.models
    if params.student_zero and wanted:
        found.append(reinforcement(f"student_zero@{item}", "student_zero", params.student_zero, model))
    return found


def _evaluation(params: Params, name: str) -> Work:
    assert params.evaluate is not None and params.base is not None
    settings = params.evaluate
    item = next((item for item in params.students if name.endswith(f"-{item}")), None)
    model = model_of(params.students[item].base if item else params.base)
    draws = (
        *_sampled(settings.problems or TEST_PROBLEMS, settings.sampling),
        *_sampled(settings.general, settings.sampling, draws=settings.general_draws),
    )
    return Work(stage=f"evaluate@{name}", section="evaluate", model=model, draws=draws, rows=draws[0].sequences)


def reinforcement(stage: str, section: str, rl: RL, model: Model) -> Work:
    """GRPO: rounds of rollouts by the lengths' stretches, one old-policy pass, one of the reference if there is a KL."""
    starts = [stretch.from_step for stretch in rl.lengths]
    ends = [*starts[1:], rl.steps]
    batch = rl.prompts_per_step * rl.group_size
    draws, training = [], []
    reference = int(rl.objective.kl != "none")
    for stretch, end in zip(rl.lengths, ends, strict=True):
        steps = max(0, min(end, rl.steps) - stretch.from_step)
        cap = stretch.max_new_tokens
        draws.append(Draws(rounds=steps / rl.steps_per_rollout, sequences=batch * rl.steps_per_rollout, cap=cap))
        if rl.validate_every:
            draws.append(Draws(rounds=steps // rl.validate_every, sequences=rl.validate_problems, cap=cap))
        training.append(
            Training(
                sequences=steps * batch,
                batch=batch,
                cap=cap,
                micro_tokens=rl.micro_tokens,
                forwards=1 + reference,
                models=reference,
                prompt=PROMPT_TOKENS,
            )
        )
    kept = rl.steps / rl.steps_per_rollout / max(1, rl.keep_rollouts) * batch * rl.steps_per_rollout
    return Work(stage=stage, section=section, model=model, draws=tuple(draws), training=tuple(training), rows=kept)


def fine_tuning(stage: str, section: str, sft: SFT, model: Model, rows: float) -> Work:
    """Epochs over rows of at most `max_tokens`, prompt and answer together."""
    training = Training(
        sequences=rows * sft.epochs, batch=sft.batch_size, cap=sft.max_tokens, micro_tokens=sft.micro_tokens
    )
    return Work(stage=stage, section=section, model=model, training=(training,))


def _pretraining(params: Params, stage: str, section: str, model: Model, pretrain: Pretrain) -> Work:
    tokens = pretrain.tokens_per_step
    training = Training(sequences=pretrain.steps, batch=1, cap=tokens, micro_tokens=tokens, whole=True)
    documents = params.world.documents if params.world else 0
    return Work(stage=stage, section=section, model=model, training=(training,), documents=documents)


def _sampled(prompts: int, sampling: Sampling, draws: int | None = None) -> tuple[Draws, ...]:
    each = sampling.draws if draws is None else draws
    count = prompts * each
    call = CHUNK * each
    return (Draws(rounds=1, sequences=count, cap=sampling.max_new_tokens, call=call),) if count else ()


def _rejection_rows(params: Params) -> float:
    taken = params.rejection
    return 0.0 if taken is None else taken.prompts * taken.keep_per_prompt + taken.general


def longest(parts: Sequence[Draws | Training]) -> int:
    """The most answer tokens that a sequence may have."""
    return max((part.cap for part in parts), default=0)
