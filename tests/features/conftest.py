"""Networks this small run faster on one thread, above all beside other work."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def every_test(one_thread) -> None:
    pass
