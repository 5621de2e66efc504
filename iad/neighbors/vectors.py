"""The door through which vectors come in: rows of finite float32 values that PyTorch can take as they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

import numpy as np
import torch

from iad.errors import IadError

CHUNK = 8192  # rows looked at together
LARGEST = 1e15  # squared distances of larger values may not fit float32
ROUNDING = 2.0**-23  # twice the unit roundoff of float32
PROBE = 512  # rows and columns of a product that is lowered where any is
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

    >>> as_tensor(np.zeros((3, 2)), "bank")
    Traceback (most recent call last):
    iad.errors.IadError: bank: float64 of the shape (3, 2); give float32 of the shape (rows, dimensions)
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32 or vectors.shape[1] != (dimensions or vectors.shape[1] or 1):
        wanted = f"(rows, {dimensions or 'dimensions'})"
        raise IadError(f"{what}: {vectors.dtype} of the shape {vectors.shape}; give float32 of the shape {wanted}")
    tensor = without_copy(np.ascontiguousarray(vectors))
    for start in range(0, len(tensor), CHUNK):
        refuse_unfit(tensor[start : start + CHUNK], what, start)
    return tensor


def without_copy(array: np.ndarray) -> torch.Tensor:
    """The same memory as a tensor; never to be written to.

    >>> array = np.zeros(2)
    >>> tensor = without_copy(array)
    >>> array[0] = 7
    >>> tensor.tolist()
    [7.0, 0.0]
    """
    with nullcontext() if array.flags.writeable else warnings.catch_warnings(action="ignore"):
        return torch.from_numpy(array)  # PyTorch warns of memory that it must not write to


def refuse_unfit(rows: torch.Tensor, what: str, start: int) -> None:
    """Refuse float32 `(n, D)`, rows `start` and following of `what`, if a value is not finite or beyond 1e15.

    >>> refuse_unfit(torch.tensor([[1.0], [torch.nan]]), "bank", 8192)
    Traceback (most recent call last):
    iad.errors.IadError: bank: a value in rows 8192 to 8193 is not finite or beyond 1e+15; leave such rows out
    """
    low, high = torch.aminmax(rows)
    if not max(-float(low), float(high)) <= LARGEST or low.isnan():
        raise IadError(
            f"{what}: a value in rows {start} to {start + len(rows) - 1} is not finite or beyond {LARGEST:g}; "
            "leave such rows out"
        )


@contextmanager
def full_precision(device: str) -> Iterator[torch.dtype]:
    """Leave autocast, in this thread, and yield the type in which products keep what float32 promises.

    That is float32, or float64 where the process lets PyTorch compute float32 products with fewer bits (TF32, bf16).
    Nothing is set: such settings hold for all threads.

    >>> with torch.autocast("cpu", dtype=torch.bfloat16), full_precision("cpu") as dtype:
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype, dtype
    (torch.float32, torch.float32)
    """
    # entering autocast takes microseconds
    with torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext():
        yield torch.float64 if products_are_lowered(device) else torch.float32


def products_are_lowered(device: str) -> bool:
    """Whether products of float32 may have fewer bits here and now: PyTorch is set so, or does it anyway."""
    # "none" is PyTorch's default, which lowers nothing
    return _setting(device) not in ("none", "ieee", "highest") or one_product_is_lowered(device)


def _setting(device: str) -> str:
    backend = torch.backends.cuda if device == "cuda" else torch.backends.mkldnn
    try:
        return str(backend.matmul.fp32_precision)  # which never raises, however a host has mixed old and new settings
    except AttributeError:  # before PyTorch 2.9, with one setting for all
        return torch.get_float32_matmul_precision()


@cache
def one_product_is_lowered(device: str) -> bool:
    """Whether a product loses bits; some environment variables make it, of which PyTorch knows nothing.

    Times one, a number comes back with all its bits, or it was lowered. Small products are not always.
    """
    numbers = torch.arange(PROBE * PROBE, dtype=torch.float32, device=device).view(PROBE, PROBE).mul_(ROUNDING).add_(1)
    ones = torch.eye(PROBE, dtype=torch.float32, device=device)
    return not all(torch.equal(product, numbers) for product in (numbers @ ones, fast_product(numbers, ones)))


def fast_product(rows: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """Products of float32 `(n, D)` and `(M, D)`, float32 `(n, M)`; of float64 queries, by way of float64.

    On a CPU they are oneDNN's where there are any, mostly the fastest.

    >>> fast_product(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[11.,  2.]])
    """
    if queries.dtype == torch.float64:
        found = torch.empty(len(rows), len(queries), dtype=torch.float32, device=rows.device)
        for part, space in zip(torch.split(rows, CHUNK), torch.split(found, CHUNK), strict=True):
            space.copy_(part.double() @ queries.T)
        return found
    if rows.device.type == "cpu" and _has_onednn():
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, queries, None, "none", [], "")
        return product
    return rows @ queries.T


@cache
def _has_onednn() -> bool:
    values = torch.arange(32.0, dtype=torch.float32, device="cpu").view(4, 8)
    try:
        product = torch.ops.mkldnn._linear_pointwise(values, values, None, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return bool((product == values @ values.T).all())


def no_room(shape: tuple[int, ...]) -> IadError:
    """The refusal of a bank, `shape` (N, D), for which a card has too little memory.

    >>> print(no_room((10_000_000, 1024)))
    bank: 10000000 rows of 1024 values, 51.2 GB with their 8-bit codes, do not fit on the card beside what a ...
    """
    size = shape[0] * shape[1] * 5 / 1e9
    return IadError(
        f"bank: {shape[0]} rows of {shape[1]} values, {size:.1f} GB with their 8-bit codes, do not fit on the card "
        "beside what a search needs; keep a smaller coreset, or set compute.device to cpu"
    )
