"""Work spread over processes: the same results in the same order, and one line where something goes wrong."""

import os
import signal

import pytest

from iad.errors import IadError
from iad.processes import in_processes

WORDS = ["a", "bc", "def", "ghij"]


def refuse(word):
    raise IadError(f"{word}: no such method; list it in params.yaml")


def end(_):
    os.kill(os.getpid(), signal.SIGKILL)


def process_of(_):
    return os.getpid()


def spread(work, processes, items=WORDS):
    return in_processes(work, items, processes, title="evaluate", unit=" words")


@pytest.mark.parametrize("processes", [1, 2, 9])
def test_results_come_in_the_order_of_the_items(processes):
    assert spread(len, processes) == [1, 2, 3, 4]


def test_several_processes_work_and_this_one_waits():
    assert os.getpid() not in spread(process_of, 2)


@pytest.mark.parametrize(("processes", "items"), [(1, WORDS), (2, WORDS[:1])])
def test_one_process_or_one_item_starts_no_other(processes, items):
    assert set(spread(process_of, processes, items)) == {os.getpid()}


@pytest.mark.parametrize("processes", [1, 2])
def test_a_refusal_arrives_as_it_is(processes):
    with pytest.raises(IadError, match=r"^a: no such method; list it in params.yaml$"):
        spread(refuse, processes)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_a_process_that_is_ended_from_outside_is_told_in_one_line():
    with pytest.raises(IadError, match=r"^evaluate: a process was ended from outside.*lower compute\.threads$"):
        spread(end, 2)
