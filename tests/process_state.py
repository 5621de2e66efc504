"""What a process has set for all its threads, settings that a host may have chosen, and products with fewer bits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode

from iad.neighbors.vectors import one_product_is_lowered

PRODUCTS = {
    "matmul",
    "__matmul__",
    "__rmatmul__",
    "mm",
    "bmm",
    "addmm",
    "baddbmm",
    "linear",
    "mkldnn._linear_pointwise",
}


def process_state() -> dict[str, Any]:
    """Everything that a library call must leave as it is."""
    backends = torch.backends
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "products": (_old_setting(), backends.cuda.matmul.fp32_precision, backends.mkldnn.matmul.fp32_precision),
        "type": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "cudnn": (backends.cudnn.benchmark, backends.cudnn.deterministic, backends.cudnn.conv.fp32_precision),
        "random": torch.get_rng_state().numpy().tobytes(),
        "here": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "environment": dict(os.environ),
    }  # fmt: skip


@contextmanager
def unusual_settings() -> Iterator[None]:
    """A host that mixes PyTorch's old and new ways to lower float32 products, so that the old one refuses to answer."""
    matmul = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    torch.set_float32_matmul_precision("highest")
    kept = [one.fp32_precision for one in matmul]
    matmul[0].fp32_precision, matmul[1].fp32_precision = "tf32", "bf16"
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        for one, precision in zip(matmul, kept, strict=True):
            one.fp32_precision = precision


class LoweredProducts(TorchFunctionMode):
    """While it is entered, products of float32 are those of their first 8 bits, as some processors compute them."""

    def __enter__(self) -> Self:
        """Forget what was found out about products before."""
        one_product_is_lowered.cache_clear()
        return super().__enter__()  # type: ignore[no-any-return,no-untyped-call]

    def __exit__(self, *error: object) -> None:
        """Forget what was found out inside."""
        one_product_is_lowered.cache_clear()
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Round the factors of a product to bfloat16."""
        if getattr(func, "__name__", "") in PRODUCTS or "_linear_pointwise" in str(func):
            args = tuple(_rounded(one) for one in args)
        return func(*args, **(kwargs or {}))


def _rounded(one: Any) -> Any:
    float32 = isinstance(one, torch.Tensor) and one.dtype == torch.float32
    return one.to(torch.bfloat16).float() if float32 else one


def _old_setting() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # where old and new settings disagree
        return "mixed"
