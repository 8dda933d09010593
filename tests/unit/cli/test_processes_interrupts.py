"""Signals of a run in real time: the first one ends it in order, whenever it comes."""

from __future__ import annotations

import os
import signal

import pytest

from cell.cli.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_waits_until_the_run_can_stop_in_order(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            interrupts.listen()
    assert signal.getsignal(number) is before


def test_second_signal_ends_at_once_what_does_not_come_to_an_end() -> None:
    with Interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_signal_ends_a_run_that_listens() -> None:
    with Interrupts() as interrupts:
        interrupts.listen()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
