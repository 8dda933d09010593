"""Lines in memory: bytes take their time, plugs can be pulled."""

from __future__ import annotations

import pytest

from perception.errors import InputError
from sim.links import LinkHall, memory_pair, open_link, use

CHARACTER_S = 10 / 115200


class Clock:
    def __init__(self) -> None:
        self.now_s = 5.0

    def __call__(self) -> float:
        return self.now_s


class Echo:
    """Answers what it hears, twice, after 2 ms."""

    def __init__(self) -> None:
        self.due_s: float | None = None
        self.heard = b""

    def feed(self, data: bytes, now: float) -> None:
        self.heard += data
        self.due_s = now + 0.002

    def poll(self, now: float) -> tuple[bytes, float | None]:
        if self.due_s is None or now < self.due_s:
            return b"", self.due_s
        self.due_s, out = None, 2 * self.heard
        return out, None


def test_bytes_arrive_one_by_one_when_written_at_once() -> None:
    clock = Clock()
    near, far = memory_pair(clock, 115200)
    assert near.write(b"abcd") == 4
    for count in range(5):
        clock.now_s = 5.0 + count * CHARACTER_S
        assert far.in_waiting == count
    assert far.read(2) == b"ab"
    assert far.in_waiting == 2
    assert far.read(10) == b"cd"
    assert far.read(10) == b""


def test_second_block_queues_behind_the_first_when_written_meanwhile() -> None:
    clock = Clock()
    near, far = memory_pair(clock, 115200)
    near.write(b"abc")
    near.write(b"de")
    assert far.next_event() == pytest.approx(5.0 + 3 * CHARACTER_S)
    clock.now_s = 5.0 + 4 * CHARACTER_S + 1e-9
    assert far.read(10) == b"abcd"
    clock.now_s = 6.0
    assert far.read(10) == b"e"
    assert far.next_event() is None


def test_both_directions_are_apart_when_both_write() -> None:
    clock = Clock()
    near, far = memory_pair(clock, 115200)
    near.write(b"to far")
    far.write(b"to near")
    clock.now_s += 1.0
    assert (near.read(20), far.read(20)) == (b"to near", b"to far")


def test_hall_names_each_event_when_a_line_talks() -> None:
    clock = Clock()
    hall = LinkHall(clock, threaded=False)
    echo = Echo()
    hall.attach("echo", echo)
    link = hall.open("echo", 115200)
    assert hall.poll(clock()) is None
    link.write(b"ab")
    events = []
    while (event_s := hall.poll(clock())) is not None:
        events.append(event_s - 5.0)
        clock.now_s = event_s
    assert events == pytest.approx([2 * CHARACTER_S, 2 * CHARACTER_S + 0.002, 6 * CHARACTER_S + 0.002])
    assert link.read(10) == b"abab"


def test_end_raises_when_it_is_unplugged_and_opens_again_when_plugged() -> None:
    clock = Clock()
    hall = LinkHall(clock, threaded=False)
    hall.attach("echo", Echo())
    link = hall.open("echo", 115200)
    hall.unplug("echo")
    with pytest.raises(OSError, match="unplugged"):
        _ = link.in_waiting
    with pytest.raises(OSError, match="unplugged"):
        link.write(b"a")
    with pytest.raises(OSError, match="unplugged"):
        hall.open("echo", 115200)
    hall.plug("echo")
    again = hall.open("echo", 115200)
    again.write(b"a")
    for _ in range(5):
        clock.now_s = hall.poll(clock()) or clock.now_s
    assert again.read(5) == b"aa"


def test_line_is_refused_when_its_name_or_baud_rate_is_wrong() -> None:
    hall = LinkHall(Clock(), threaded=False)
    hall.attach("echo", Echo())
    with pytest.raises(InputError, match="no simulated line 'ecko'"):
        hall.open("ecko", 115200)
    with pytest.raises(InputError, match="runs at 115200 baud, not at 9600"):
        hall.open("echo", 9600)


def test_scheme_leads_to_the_hall_in_use_when_opened() -> None:
    clock = Clock()
    hall = LinkHall(clock, threaded=False)
    hall.attach("echo", Echo())
    use(hall)
    try:
        open_link("echo", 115200).write(b"x")
    finally:
        use(None)
    with pytest.raises(InputError, match="none runs"):
        open_link("echo", 115200)
