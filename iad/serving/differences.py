"""The first value in which two sets of settings differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from iad.serving.flat import flat


def first_difference(
    one: Mapping[str, Any], two: Mapping[str, Any], *, ignored: Collection[str] = ()
) -> tuple[str, Any, Any] | None:
    """Dotted name and both values of the first leaf that differs, in the order of `one`; None where all agree.

    A leaf that one of the two lacks is None there; `ignored` names leaves that may differ.

    >>> first_difference({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 2, "d": 4}})
    ('b.d', 3, 4)
    """
    left, right = flat(one), flat(two)
    for name in dict.fromkeys((*left, *right)):
        if name not in ignored and left.get(name) != right.get(name):
            return name, left.get(name), right.get(name)
    return None
