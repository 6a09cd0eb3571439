"""What is assumed of the place that a stage runs in. Every figure is stated, none is looked up: `r1 plan` shows them."""

from dataclasses import dataclass

from r1cli.plan.models import Model


@dataclass(frozen=True, kw_only=True)
class Device:
    """One GPU (or all cores of one machine): memory in GB, dense bf16 operations and bytes of memory traffic a second."""

    name: str
    memory_gb: float
    flops: float
    bandwidth: float


# The makers' data sheets, dense (not "sparse") figures. A CPU: two cores as measured here on small matrices.
DEVICES = {
    device.name: device
    for device in (
        Device(name="cpu", memory_gb=8.0, flops=6.0e10, bandwidth=2.0e10),
        Device(name="rtx4090", memory_gb=24.0, flops=165e12, bandwidth=1.01e12),
        Device(name="a100", memory_gb=80.0, flops=312e12, bandwidth=2.04e12),
        Device(name="h100", memory_gb=80.0, flops=989e12, bandwidth=3.35e12),
        Device(name="h800", memory_gb=80.0, flops=989e12, bandwidth=3.35e12),
        Device(name="h200", memory_gb=141.0, flops=989e12, bandwidth=4.8e12),
    )
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """The machines, how the model is spread over them, and how well they are used."""

    device: Device
    nodes: int = 1
    gpus_per_node: int = 1
    zero: int = 3  # DeepSpeed's ZeRO stage
    offload: bool = False  # optimizer states in the hosts' memory
    tensor_parallel: int = 0  # GPUs that hold one copy of a model in the rollout engine; 0: as few as do
    sequence_parallel: int = 1  # GPUs that share one sequence in training
    checkpointing: bool = True  # of activations: a layer's are computed again in the backward pass
    logit_tokens: int = 1024  # whose logits are held at once
    mean_share: float = 0.3  # mean answer length, as a share of the longest allowed
    train_use: float = 0.35  # of the device's operations, in training
    sample_use: float = 0.10  # of the device's operations, in decoding full batches
    token_s: float = 0.0  # seconds a token of one sequence; 0: from the weights' bytes and the bandwidth
    memory_use: float = 0.9  # of the device's memory that may be taken

    @property
    def gpus(self) -> int:
        return self.nodes * self.gpus_per_node

    def engine_gpus(self, model: Model) -> int:
        """GPUs that hold one copy of a model in the rollout engine: the fewest, as a power of two that divides its heads,
        that leave half of their memory to the cache."""
        if self.tensor_parallel:
            return self.tensor_parallel
        parts = 1
        while parts < self.gpus and 2 * model.parameters / parts > self.device.memory_gb * 0.5e9:
            if model.heads % (2 * parts):
                break
            parts *= 2
        return parts

    @property
    def embedded(self) -> bool:
        """On a CPU: fp32, one process, nothing sharded."""
        return self.device.name == "cpu"

    @property
    def replicas(self) -> int:
        """Processes that each train on sequences of their own."""
        return max(1, self.gpus // self.sequence_parallel)


# The profiles' own places; r1.toml and the options of `r1 plan` change them.
PLACES = {
    "smoke": Place(device=DEVICES["cpu"], train_use=0.5, sample_use=0.25),
    "tiny": Place(device=DEVICES["cpu"], train_use=0.5, sample_use=0.25),
    "1gpu-0.5b": Place(device=DEVICES["rtx4090"], zero=0),
    "8gpu-7b": Place(device=DEVICES["h100"], gpus_per_node=8),
    "cluster-32b": Place(device=DEVICES["h100"], nodes=4, gpus_per_node=8, sequence_parallel=2, mean_share=0.2),
    "r1-671b": Place(
        device=DEVICES["h800"],
        nodes=64,  # paper B.4.4: 64 x 8 H800
        gpus_per_node=8,
        sequence_parallel=8,
        # v1 Fig. 3: the mean answer grows from 0.5K to 9K tokens under a cap of 32K; Table 5: 5.4K tokens a row.
        mean_share=0.15,
        token_s=1 / 60,  # 60 tokens a second a user, as DeepSeek announced V3
    ),
}
