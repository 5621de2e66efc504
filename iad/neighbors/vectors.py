"""The door through which vectors come in: rows of finite float32 values that PyTorch can take as they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch

from iad.errors import IadError

CHUNK = 8192  # rows looked at together
LARGEST = 1e15  # squared distances of larger values may not fit float32
ROUNDING = 2.0**-23  # twice the unit roundoff of float32
TINY = 1e-30  # above all that a squared distance in float32 loses where squares fall below the range of the type


def as_tensor(vectors: np.ndarray, what: str, dimensions: int | None = None) -> torch.Tensor:
    """Check vectors and hand them on without a copy.

    Args:
        vectors: float32 `(n, D)`; may be memory-mapped, and is read once, in chunks.
        what: the vectors' name in a refusal: "bank" or "queries".
        dimensions: D; None allows any.

    Returns:
        The same memory as a tensor, float32 `(n, D)`; never to be written to.

    Raises:
        IadError: if the shape or the type is another, or a value is not finite or beyond 1e15.
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32 or vectors.shape[1] != (dimensions or vectors.shape[1] or 1):
        wanted = f"(rows, {dimensions or 'dimensions'})"
        raise IadError(f"{what}: {vectors.dtype} of the shape {vectors.shape}; give float32 of the shape {wanted}")
    tensor = without_copy(np.ascontiguousarray(vectors))
    for start in range(0, len(tensor), CHUNK):
        refuse_unfit(tensor[start : start + CHUNK], what, start)
    return tensor


def without_copy(array: np.ndarray) -> torch.Tensor:
    """The same memory as a tensor; never to be written to."""
    with nullcontext() if array.flags.writeable else warnings.catch_warnings(action="ignore"):
        return torch.from_numpy(array)  # PyTorch warns of memory that it must not write to


def refuse_unfit(rows: torch.Tensor, what: str, start: int) -> None:
    """Refuse float32 `(n, D)`, rows `start` and following of `what`, if a value is not finite or beyond 1e15."""
    low, high = torch.aminmax(rows)
    if not max(-float(low), float(high)) <= LARGEST or low.isnan():
        raise IadError(
            f"{what}: a value in rows {start} to {start + len(rows) - 1} is not finite or beyond {LARGEST:g}; "
            "leave such rows out"
        )


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Compute float32 products of the block in float32, whatever precision was allowed outside (TF32, bf16)."""
    before, lowered = torch.get_float32_matmul_precision(), torch.is_autocast_enabled(device)
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device, enabled=False) if lowered else nullcontext():  # entering it takes microseconds
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def no_room(shape: tuple[int, ...]) -> IadError:
    """The refusal of a bank, `shape` (N, D), for which a card has too little memory."""
    size = shape[0] * shape[1] * 5 / 1e9
    return IadError(
        f"bank: {shape[0]} rows of {shape[1]} values, {size:.1f} GB with their 8-bit codes, do not fit on the card "
        "beside what a search needs; keep a smaller coreset, or set compute.device to cpu"
    )
