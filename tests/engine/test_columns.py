"""Arrays as a source of blocks: rows as they were chosen, and files that travel as their path."""

import pickle

import numpy as np
import pytest

from iad.engine.columns import Columns
from iad.io import new_array, open_array

ROWS = np.array([5, 2, 9, 0])


@pytest.fixture
def mapped(tmp_path):
    with new_array(tmp_path / "a.npy", (10, 1000), np.float16) as array:
        array[:] = np.arange(10, dtype=np.float16)[:, None]
    return open_array(tmp_path / "a.npy")


def test_a_mapped_file_travels_as_its_path_and_is_read_there(mapped):
    columns = Columns({"a": (mapped, ROWS)})
    sent = pickle.dumps(columns)
    assert len(sent) < mapped.nbytes / 10
    found = pickle.loads(sent)  # noqa: S301  # our own
    assert isinstance(found.arrays["a"][0], np.memmap)
    assert found.read(np.array([0, 2]))["a"][:, 0].tolist() == [5, 9]
    assert (len(found), found.row_bytes) == (4, 2000)


@pytest.mark.parametrize("part", [np.s_[3:], np.s_[:, :5]])
def test_a_part_of_a_mapped_file_travels_itself(mapped, part):
    rows = np.arange(3)
    columns = pickle.loads(pickle.dumps(Columns({"a": (mapped[part], rows)})))  # noqa: S301  # our own
    assert np.array_equal(columns.read(rows)["a"], mapped[part][:3])
