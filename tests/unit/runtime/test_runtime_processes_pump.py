"""Who waits for descriptors: an executor's thread where one is there, else the pump's own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from cell.runtime.pump import Pump


class Pipe:
    """A descriptor that somebody writes to, and what the pump's callback has read."""

    def __init__(self, pump: Pump) -> None:
        self.reader, self.writer = os.pipe()
        self.read: list[tuple[bytes, str]] = []
        self.arrived = threading.Event()
        pump.attach(self.reader, self.take)

    def take(self) -> None:
        self.read.append((os.read(self.reader, 100), threading.current_thread().name))
        self.arrived.set()

    def close(self, pump: Pump) -> None:
        pump.detach(self.reader)
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def pump() -> Pump:
    return Pump()


@pytest.fixture
def pipe(pump: Pump) -> Iterator[Pipe]:
    made = Pipe(pump)
    yield made
    made.close(pump)


@pytest.fixture
def wake() -> Iterator[int]:
    made = os.eventfd(0, os.EFD_NONBLOCK)
    yield made
    os.close(made)


def wait_until(pump: Pump, pipe: Pipe, wake: int) -> None:
    until = time.monotonic() + 20.0
    while not pipe.read:
        assert time.monotonic() < until
        pump.wait(wake, 0.5)


def test_waiting_thread_runs_the_callback_when_data_come(pump: Pump, pipe: Pipe, wake: int) -> None:
    os.write(pipe.writer, b"one")
    wait_until(pump, pipe, wake)
    assert pipe.read[0][0] == b"one"


def test_own_thread_runs_the_callback_when_nobody_waits(pump: Pump, pipe: Pipe) -> None:
    os.write(pipe.writer, b"one")
    assert pipe.arrived.wait(20.0)
    assert pipe.read == [(b"one", "rclpy-pump")]


def test_own_thread_lets_go_when_an_executor_comes(pump: Pump, pipe: Pipe, wake: int) -> None:
    os.write(pipe.writer, b"one")
    assert pipe.arrived.wait(20.0)
    for _ in range(3):
        began = time.monotonic()
        assert pump.wait(wake, 0.001)
        assert time.monotonic() - began < 20.0


def test_second_executor_is_sent_away_when_one_waits(pump: Pump, pipe: Pipe, wake: int) -> None:
    began, ended = threading.Event(), threading.Event()

    def lead() -> None:
        began.set()
        while not ended.is_set():
            pump.wait(wake, 20.0)

    thread = threading.Thread(target=lead)
    thread.start()
    assert began.wait(20.0)
    other = os.eventfd(0, os.EFD_NONBLOCK)
    until = time.monotonic() + 20.0
    while pump.wait(other, 0.001):
        assert time.monotonic() < until
    ended.set()
    os.eventfd_write(wake, 1)
    thread.join(20.0)
    os.close(other)
    assert not thread.is_alive()


def test_waiting_ends_when_the_wake_descriptor_is_written(pump: Pump, pipe: Pipe, wake: int) -> None:
    os.eventfd_write(wake, 1)
    until = time.monotonic() + 20.0
    while not pump.wait(wake, None):
        assert time.monotonic() < until


def test_thread_and_descriptor_are_given_back_when_the_last_one_is_detached(pump: Pump) -> None:
    pipe = Pipe(pump)
    pipe.close(pump)
    thread = pump._thread
    assert thread is not None
    thread.join(20.0)
    assert not pump.active
    assert pump._interrupt == -1


def test_high_descriptors_are_watched_when_select_cannot(pump: Pump, wake: int) -> None:
    import fcntl
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.skip("this user may not open so many")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    low, writer = os.pipe()
    high = fcntl.fcntl(low, fcntl.F_DUPFD, 1500)
    got: list[bytes] = []
    pump.attach(high, lambda: got.append(os.read(high, 10)))
    os.write(writer, b"x")
    until = time.monotonic() + 20.0
    while not got:
        assert time.monotonic() < until
        pump.wait(wake, 0.2)
    pump.detach(high)
    for fileno in (low, high, writer):
        os.close(fileno)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_executor_waits_in_its_own_way_when_the_place_it_was_promised_goes_to_another(pump: Pump, wake: int) -> None:
    # As it is when the own thread lets go and another executor is quicker: nobody could wake the one who came too late.
    pump._leading.acquire()
    pump._leads_itself = True
    led: list[bool] = []
    late = threading.Thread(target=lambda: led.append(pump.wait(wake, None)), daemon=True)
    late.start()
    late.join(20.0)
    assert led == [False]
    pump._leading.release()
