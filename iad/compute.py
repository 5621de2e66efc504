"""Where numbers are computed: device, precision, threads and the seed, decided once per stage and recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from iad.errors import IadError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Runtime:
    """What `auto` was resolved to: device "cpu", "cuda" or "mps"; precision "fp32" or "bf16"; CPU threads."""

    device: str
    precision: str
    threads: int

    @property
    def dtype(self) -> torch.dtype:
        """The type in which convolutions and matrix products run."""
        return PRECISIONS[self.precision]

    @property
    def float64_device(self) -> str:
        """Where float64 can be computed: the same device, but for mps, which has no such type, the CPU."""
        return "cpu" if self.device == "mps" else self.device

    def record(self) -> dict[str, str | int]:
        """The same as plain values for a JSON file; `hardware` names the card, or "cpu"."""
        hardware = torch.cuda.get_device_name() if self.device == "cuda" else self.device
        return {
            "device": self.device,
            "hardware": hardware,
            "precision": self.precision,
            "threads": self.threads,
        }

    @contextmanager
    def lower_precision(self) -> Iterator[None]:
        """Run the block with autocast where the precision is bf16, unchanged where it is fp32."""
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            yield


def start(*, device: str, precision: str, threads: int, seed: int) -> Runtime:
    """Resolve `auto`, seed PyTorch and choose deterministic kernels.

    Args:
        device: auto, cpu, cuda or mps. `auto` takes CUDA, then MPS, then the CPU.
        precision: auto, fp32 or bf16. `auto` takes bf16 where the hardware computes in it, fp32 elsewhere.
        threads: CPU threads; 0 takes all cores this process may use.
        seed: of PyTorch's random numbers.

    Raises:
        IadError: if the device is not on this machine.
    """
    chosen = _device(device)
    torch.manual_seed(seed)
    torch.set_num_threads(threads or usable_cores())
    if chosen == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS needs it to be deterministic
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    return Runtime(chosen, _precision(precision, chosen), torch.get_num_threads())


def usable_cores() -> int:
    """The number of CPU cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _device(wanted: str) -> str:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in available.items() if there)
    if not available[wanted]:
        here = ", ".join(name for name, there in available.items() if there)
        raise IadError(f"compute.device = {wanted}: not on this machine, which has {here}; use auto or one of these")
    return wanted


def _precision(wanted: str, device: str) -> str:
    if wanted != "auto":
        return wanted
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device == "cpu":
        abilities = torch.cpu.get_capabilities()
        native = any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
    else:
        native = False
    return "bf16" if native else "fp32"


def resolve(*, device: str, precision: str) -> Runtime:
    """Resolve `auto` and change nothing: for library calls."""
    chosen = _device(device)
    return Runtime(chosen, _precision(precision, chosen), torch.get_num_threads())
