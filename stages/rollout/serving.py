"""vLLM as a server on this machine, for several copies of a model: started by a stage, it ends with it, however that ends.

The servers of other machines are started by hand or by a scheduler with the same options (docs/engines.md).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import torch

from stages.contract.errors import UserError
from stages.contract.params import VLLM
from stages.rollout import keeper
from stages.rollout.vllm import CPU_CACHE_BYTES, gpu_share

MODEL = "r1"  # the name that requests ask for
_READY_S = 1800.0  # a large model loads for minutes
_SAID = 2000  # characters of its log that are shown when it doesn't come up


def options(folder: Path, settings: VLLM, *, copies: int, port: int) -> list[str]:
    """vLLM's options: what `stages.rollout.vllm` starts the offline engine with, as words."""
    on_cpu = not torch.cuda.is_available()
    room = [f"--kv-cache-memory-bytes={CPU_CACHE_BYTES}", "--enforce-eager"]
    if not on_cpu:
        room = [f"--gpu-memory-utilization={gpu_share()}", "--enable-sleep-mode"]
    return [
        f"--model={folder}",
        f"--served-model-name={MODEL}",
        "--host=127.0.0.1",
        f"--port={port}",
        f"--dtype={settings.dtype}",
        "--load-format=safetensors",
        "--generation-config=vllm",
        "--logprobs-mode=processed_logprobs",
        "--enable-prefix-caching",
        "--worker-extension-cls=stages.rollout.vllm.Renewal",
        f"--tensor-parallel-size={settings.tensor_parallel}",
        f"--data-parallel-size={copies}",
        *([f"--max-model-len={settings.max_tokens}"] if settings.max_tokens else []),
        *room,
    ]


class Server:
    """A server of this machine, ready for requests at `url`."""

    def __init__(self, folder: Path, settings: VLLM, *, copies: int) -> None:
        """Raises UserError with the end of its log if it doesn't come up."""
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = Path(tempfile.mkstemp(prefix="vllm-", suffix=".log")[1])
        vllm = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", keeper.__name__, *vllm, *options(folder, settings, copies=copies, port=port)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "VLLM_SERVER_DEV_MODE": "1", "VLLM_NO_USAGE_STATS": "1"},
            )
        self._wait()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.log.unlink(missing_ok=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):
                return
            time.sleep(0.5)
        said = self.log.read_text(errors="replace")[-_SAID:]
        self.close()
        raise UserError(
            f"vLLM's server did not come up; the end of its log:\n{said}",
            hint="R1_VLLM_COPIES=1 samples in the trainer's process instead (docs/engines.md)",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
