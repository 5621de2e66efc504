"""A card that is not there: PyTorch on the CPU, with the refusals of a real card.

Tensors made with `device="cuda"`, moved there, or computed from such tensors are marked. What a real card would refuse
is refused: tensors of both devices in one call, NumPy on a marked tensor, kernels that only a CPU has, and 8-bit
products whose shapes a card does not take. A tensor made without naming its device is refused too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map_only

CARD = torch.device("cuda")
MAKERS = {
    torch.empty, torch.zeros, torch.ones, torch.full, torch.arange, torch.tensor, torch.as_tensor, torch.randint,
    torch.randperm, torch.rand, torch.randn, torch.eye, torch.linspace,
}  # fmt: skip
NUMPY = {torch.Tensor.numpy, torch.Tensor.__array__}
MOVERS = {torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda}


class Marked(torch.Tensor):
    """A tensor on the pretended card."""


class PretendedCard(TorchFunctionMode):
    """While it is entered, "cuda" stands for the pretended card."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Refuse what a card would, and mark what it would hold."""
        kwargs = dict(kwargs or {})
        if func == torch.Tensor.device.__get__:
            return CARD if isinstance(args[0], Marked) else torch.device("cpu")
        given = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, torch.Tensor)]
        marked = any(isinstance(one, Marked) for one in given)
        if func in MOVERS:
            return self._move(func, args, kwargs)
        if func in MAKERS:
            assert "device" in kwargs, f"{func.__name__} without a device"
            marked = torch.device(kwargs.pop("device")) == CARD
        elif marked:
            self._refuse(func, args, given)
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **kwargs)
        return tree_map_only(torch.Tensor, _mark, result) if marked else result

    @staticmethod
    def _move(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        if func is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        target = args[1] if func is torch.Tensor.to else "cuda"
        if isinstance(target, torch.dtype):
            with torch._C.DisableTorchFunctionSubclass():
                result: torch.Tensor = func(*args, **kwargs)
            return _mark(result) if isinstance(args[0], Marked) else result
        there = torch.device(target) == CARD
        if there and not isinstance(args[0], Marked):
            return _mark(args[0].clone())  # what is written there does not reach the CPU's copy
        return args[0] if there else args[0].as_subclass(torch.Tensor)

    @staticmethod
    def _refuse(func: Callable[..., Any], args: tuple[Any, ...], given: list[torch.Tensor]) -> None:
        if func in NUMPY:
            raise TypeError("can't convert a tensor on the pretended card to NumPy")
        name = str(getattr(func, "__qualname__", func)) + str(getattr(func, "__module__", ""))
        if "mkldnn" in name or "mkldnn" in str(func):
            raise NotImplementedError(f"{func} is for CPUs")
        elsewhere = [tuple(one.shape) for one in given if not isinstance(one, Marked) and one.ndim]
        if elsewhere:
            raise RuntimeError(f"{func}: tensors of the shapes {elsewhere} are not on the pretended card as the others")
        if func is torch._int_mm:
            left, right = (tuple(one.shape) for one in args[:2])
            if not (left[0] > 16 and left[1] % 8 == 0 and right[1] % 8 == 0):
                raise RuntimeError(f"_int_mm of {left} and {right}: a card wants over 16 rows, and multiples of 8")


def _mark(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if isinstance(tensor, Marked) else tensor.as_subclass(Marked)
