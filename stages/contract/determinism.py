"""What a result depends on beside what DVC compares, and what can't be made the same: stated in every manifest.

Identical runs give identical bytes on one kind of processor, with one set of library versions and one `threads`. The
versions are recorded; the processor is not, since an artifact must not tell on which host it was made.
"""

import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.contract.params import Params

# Those that compute or write what is kept. tests/contract/test_determinism.py compares them with what stages import.
LIBRARIES = (
    "deepspeed", "jinja2", "markupsafe", "matplotlib", "mpmath", "numpy", "peft", "polars", "rensa", "safetensors", "sympy",
    "tokenizers", "torch", "transformers",
)  # fmt: skip
TRAINERS_OWN = ("deepspeed", "transformers")  # loaded where several processes may train
GRADING = ("zero", "cold_start", "grpo", "rejection", "align", "student_zero", "evaluate")
GRADERS_OWN = ("mpmath", "sympy")  # loaded by the processes that grade
PROCESSOR = "the kind of processor: torch chooses its kernels, and so the order of sums, by it"
COMPILER = "the C++ compiler, where an answer is a C++ program"
TIME_LIMITS = (
    "time limits of verifiers and sandboxed programs: on a machine too busy for them an answer is graded unknown"
)
PROCESSES = "the number of processes that trained together: sums are added in another order"
ENGINE = "sampling by an engine outside this process (vllm): its batches, and so its sums, differ from run to run"


@dataclass(frozen=True, kw_only=True)
class Determinism:
    """`threads`: 0 where the stage computes with one. `libraries`: name -> version. `depends_on`: what else the bits
    depend on. `open`: what may differ between runs that are the same in all of these."""

    threads: int
    libraries: Mapping[str, str]
    depends_on: Sequence[str]
    open: Sequence[str]


def loaded_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that this process has loaded. To be asked before a stage works: what
    it loads while it works is not the same in a run that was resumed."""
    found = {name: importlib.metadata.version(name) for name in LIBRARIES if name in sys.modules}
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", **found}


def determinism(stage: str, params: Params, libraries: Mapping[str, str]) -> Determinism:
    """The statement for a stage's artifact, from its params and the libraries that it was run with."""
    grades = stage in GRADING
    outside = grades and params.rollout is not None and params.rollout.engine != "embedded"
    together = params.trainer.engine == "deepspeed"
    near = ["rensa"] if _sketches(stage, params) else []
    later = [*(GRADERS_OWN if grades else ()), *near, *(TRAINERS_OWN if together else ())]
    return Determinism(
        threads=params.threads,
        libraries={**libraries, **{name: importlib.metadata.version(name) for name in later}},
        depends_on=[*([PROCESSOR] if "torch" in libraries else []), *([COMPILER] if grades else [])],
        open=[*([TIME_LIMITS] if grades else []), *([ENGINE] if outside else []), *([PROCESSES] if together else [])],
    )


def _sketches(stage: str, params: Params) -> bool:
    """Whether a stage looks for near-duplicates."""
    curation = {"cold_start": params.cold_start, "rejection": params.rejection}.get(stage)
    return curation is not None and curation.near_duplicates > 0
