"""What tests of the line share."""

import pytest

from iad.serve.log import VerdictLog


@pytest.fixture
def log(tmp_path):
    with VerdictLog(tmp_path / "a.db") as found:
        yield found
