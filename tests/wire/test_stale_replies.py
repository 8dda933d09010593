"""Late, lost, noisy and flipped replies over thousands of reads: no wrong value may come out."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from cell.drivers.bus import Bus
from cell.drivers.crc import crc16
from cell.drivers.frames import Request, exchange
from cell.drivers.modbus import LineStatistics, Reply
from sim.emulators.line_faults import LineQuality, NoisyLine
from sim.emulators.slave import RtuSlave
from sim.links import LinkHall

READS = 4000
# The shares of the facts; a late reply comes up to 0.3 s after its request, the time-out is 0.1 s.
QUALITY = LineQuality(late=0.01, late_s=(0.11, 0.3), noisy=0.05, flipped=0.02, lost=0.01)


class AddressDevice:
    """Every register holds its own address, so that a value shows which request it answers."""

    functions = frozenset((3, 4))

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        return range(address, address + count)

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        raise AssertionError("nobody writes here")

    def tick(self, now: float) -> float | None:
        return None


class Line:
    """A hall with one bad line, in simulated time."""

    def __init__(self, seed: int) -> None:
        self.now_s = 0.0
        self.hall = LinkHall(lambda: self.now_s, threaded=False)
        self.noise = NoisyLine(QUALITY, seed)
        slave = RtuSlave(9, AddressDevice())
        slave.fault = self.noise
        self.hall.attach("bad", slave)

    def advance(self, poll: Callable[[float], float | None]) -> None:
        wanted = [poll(self.now_s), self.hall.poll(self.now_s)]
        self.now_s = max(self.now_s, min((value for value in wanted if value is not None), default=self.now_s))


def protected(seed: int, *, spare: int, twin: bool) -> tuple[int, int, LineStatistics, NoisyLine]:
    """Wrong values and answers of our master over the bad line."""
    line = Line(seed)
    bus = Bus("bad", lambda: line.hall.open("bad", 115200), lambda: line.now_s, 115200)
    draw = random.Random(seed)
    wrong = answered = ended = 0

    def ask() -> None:
        address, count = draw.randrange(1000), draw.randint(1, 4)
        bus.submit(Request(9, 3, address, count, spare=spare, twin=twin), done, retries=0)

    def done(reply: Reply) -> None:
        nonlocal wrong, answered, ended
        ended += 1
        if reply.ok:
            answered += 1
            first = reply.request.address
            wrong += reply.values != tuple(range(first, first + reply.request.count))
        if ended < READS:
            ask()

    ask()
    while ended < READS:
        line.advance(bus.poll)
    return wrong, answered, bus.statistics, line.noise


def unprotected(seed: int) -> int:
    """Wrong values of a client that takes the next sound frame of the right unit, function and length, as most do."""
    line = Line(seed)
    link = line.hall.open("bad", 115200)
    draw = random.Random(seed)
    wrong = 0
    for _ in range(READS):
        address = draw.randrange(1000)
        sought = exchange(Request(9, 3, address, 1))
        link.write(sought.frame)
        timeout_s, received = line.now_s + 0.1, b""
        while line.now_s < timeout_s and len(received) < sought.length:
            line.advance(lambda now, until_s=timeout_s: until_s)  # type: ignore[misc]
            received += link.read(link.in_waiting)
        if received.startswith(sought.header) and len(received) == sought.length and crc16(received) == 0:
            wrong += int.from_bytes(received[3:5], "big") != address
    return wrong


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("spare", "twin"), [(2, False), (2, True)])
def test_no_value_is_wrong_when_replies_are_late_lost_noisy_and_flipped(seed: int, spare: int, twin: bool) -> None:
    wrong, answered, statistics, noise = protected(seed, spare=spare, twin=twin)
    assert wrong == 0
    # All but the late, the lost and the flipped ones come through: noise alone costs nothing.
    assert answered > 0.94 * READS
    assert all(noise.counts[kind] > 20 for kind in ("late", "lost", "noisy", "flipped"))
    assert statistics.stale > 5


def test_values_are_wrong_when_a_client_does_not_protect_itself() -> None:
    # Without this the test above could pass on a line that is not bad at all.
    assert unprotected(1) > 10
