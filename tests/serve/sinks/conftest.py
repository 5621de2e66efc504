"""What hands verdicts on, ended with its test."""

import pytest

from iad.serve.sinks.delivery import Delivery


@pytest.fixture
def deliver(log):
    """Start handing on what comes into the log; lines for people are in its `told`."""
    started = []

    def start(receiver):
        told = []
        one = Delivery(receiver, log, told.append)
        one.told = told
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop(0)
