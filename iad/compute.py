"""Where numbers are computed: device, precision and threads.

`resolve` only finds out, and is for library calls; `start` sets up a whole process, and is for stages alone. PyTorch is
imported when it is first needed, so that `usable_cores` costs nothing where nothing else is wanted.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iad.errors import IadError, unknown

if TYPE_CHECKING:
    import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
MAPPED_FROM, KEPT = 2**28, 2**30  # bytes: what is larger is mapped by itself; free memory that may stay
PRECISIONS = ("fp32", "bf16")
DRAWING = frozenset({  # functions and methods of PyTorch that take a generator, where initial values are drawn
    "bernoulli", "bernoulli_", "exponential_", "kaiming_uniform_", "multinomial", "normal", "normal_", "rand",
    "randint", "randn", "random_", "randperm", "uniform_",
})  # fmt: skip


@dataclass(frozen=True)
class Runtime:
    """What `auto` was resolved to: device "cpu", "cuda" or "mps"; precision "fp32" or "bf16"; CPU threads."""

    device: str
    precision: str
    threads: int

    @property
    def dtype(self) -> torch.dtype:
        """The type in which convolutions and matrix products run."""
        import torch

        return {"fp32": torch.float32, "bf16": torch.bfloat16}[self.precision]

    @property
    def float64_device(self) -> str:
        """Where float64 can be computed: the same device, but for mps, which has no such type, the CPU.

        >>> Runtime("mps", "fp32", 1).float64_device
        'cpu'
        """
        return "cpu" if self.device == "mps" else self.device

    def record(self) -> dict[str, str | int]:
        """The same as plain values for a JSON file; `hardware` names the card, or "cpu".

        >>> Runtime("cpu", "fp32", 2).record()
        {'device': 'cpu', 'hardware': 'cpu', 'precision': 'fp32', 'threads': 2}
        """
        hardware = self.device
        if self.device == "cuda":
            import torch

            hardware = torch.cuda.get_device_name()
        return {"device": self.device, "hardware": hardware, "precision": self.precision, "threads": self.threads}

    @contextmanager
    def lower_precision(self) -> Iterator[None]:
        """Run the block with autocast where the precision is bf16, without it where it is fp32; this thread alone.

        >>> import torch
        >>> ones = torch.ones(2, 2)
        >>> for precision in ("fp32", "bf16"):
        ...     with resolve(device="cpu", precision=precision).lower_precision():
        ...         (ones @ ones).dtype
        torch.float32
        torch.bfloat16
        """
        import torch

        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            yield


def resolve(*, device: str = "auto", precision: str = "auto") -> Runtime:
    """Resolve `auto`, and change nothing that the process has set, its threads and random numbers among it.

    Args:
        device: auto, cpu, cuda or mps. `auto` takes CUDA, then MPS, then the CPU.
        precision: auto, fp32 or bf16. `auto` takes bf16 where the hardware computes in it, fp32 elsewhere. fp32 is what
            the process lets it be: where it allows TF32 or bf16 in float32 products, a network computes in these.

    Raises:
        IadError: if the device is not on this machine, or there is no such precision.

    >>> resolve(device="cpu", precision="fp32").device
    'cpu'
    """
    import torch

    chosen = _device(device)
    return Runtime(chosen, _precision(precision, chosen), torch.get_num_threads())


def start(*, device: str, precision: str, threads: int, seed: int | None = None) -> Runtime:
    """Resolve `auto`, and set up this process: threads, memory, deterministic kernels, random numbers if it has a seed.

    Args:
        device: as for `resolve`.
        precision: as for `resolve`.
        threads: CPU threads; 0 takes all cores this process may use.
        seed: of PyTorch's random numbers; None where none are drawn.

    Raises:
        IadError: if the device is not on this machine.
    """
    import torch

    chosen = _device(device)
    if seed is not None:
        torch.manual_seed(seed)
    torch.set_num_threads(threads or usable_cores())
    _keep_freed_memory()
    if chosen == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS needs it to be deterministic
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    return resolve(device=chosen, precision=precision)


def usable_cores() -> int:
    """The number of CPU cores this process may run on.

    >>> usable_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory(system: Path = Path("/")) -> int | None:
    """Bytes that this process may still use: of the machine and of its control group (Linux); None where neither says.

    Args:
        system: where `proc` and `sys/fs/cgroup` are.
    """
    info = _text(system / "proc/meminfo")
    found = re.search(r"^MemAvailable:\s+(\d+) kB", info, re.MULTILINE)
    limits = [int(found[1]) * 1024] if found else []
    for group in _control_groups(system):
        most, used = _text(group / "memory.max"), _text(group / "memory.current")
        if most.strip().isdigit() and used.strip().isdigit():
            cached = re.search(r"^inactive_file (\d+)", _text(group / "memory.stat"), re.MULTILINE)
            limits.append(int(most) - int(used) + int(cached[1] if cached else 0))
    return max(0, min(limits)) if limits else None


def _control_groups(system: Path) -> Iterator[Path]:
    """Those of version 2 that this process is in, the innermost first; as a container sees them, the root alone."""
    top = system / "sys/fs/cgroup"
    own = re.search(r"^0::/?(.*)$", _text(system / "proc/self/cgroup"), re.MULTILINE)
    inside = top / (own[1] if own else "")
    yield from (one for one in (inside, *inside.parents) if one == top or top in one.parents)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


@contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Let this thread make its tensors on the CPU inside the block, and draw from a generator of its own.

    The numbers are those after `torch.manual_seed(seed)`; the process's generator and other threads see nothing of it.

    >>> import torch
    >>> with own_random_numbers(3):
    ...     first = torch.rand(2)
    >>> torch.equal(first, torch.rand(2, generator=torch.Generator().manual_seed(3)))
    True
    """
    import torch

    with torch.device("cpu"), _own_generator()(seed):
        yield


@cache
def _own_generator() -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    class OwnGenerator(TorchFunctionMode):  # modes are kept per thread
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.generator = torch.Generator("cpu").manual_seed(seed)

        def __torch_function__(
            self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            given = dict(kwargs or {})
            if getattr(func, "__name__", "") in DRAWING and given.get("generator") is None:
                given["generator"] = self.generator
            return func(*args, **given)

    return OwnGenerator


def _keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next request; where another C library is at work, nothing changes.

    Else every tensor of some megabytes is handed back to the system and asked for anew, and fresh pages cost as much as
    a convolution's arithmetic.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # it has no such function; Windows wants a name
        return
    mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)
    mallopt(M_TRIM_THRESHOLD, KEPT)


def _device(wanted: str) -> str:
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in available.items() if there)
    if not available.get(wanted):
        here = ", ".join(name for name, there in available.items() if there)
        raise IadError(f"compute.device = {wanted}: not on this machine, which has {here}; use auto or one of these")
    return wanted


def _precision(wanted: str, device: str) -> str:
    import torch

    if wanted not in ("auto", *PRECISIONS):
        raise unknown("precision", wanted, ("auto", *PRECISIONS))
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
