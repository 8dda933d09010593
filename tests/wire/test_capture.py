"""Wire captures: their format, how a running process records one, and that they play against master and drivers.

``python -m pytest tests/wire/test_capture.py`` plays what lies in ``captures``; when a driver is meant to say something
else from now on, run this file as a program to record both anew, and look at the difference.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from cell.drivers.bus import Bus
from cell.drivers.capture import (
    Capture,
    CaptureRequest,
    CaptureWatch,
    Event,
    Port,
    ReplayDiverged,
    ReplayLink,
    lines_of,
    merged,
    read_capture,
)
from cell.drivers.frames import READ_INPUT, WRITE_MANY, Request
from cell.drivers.interfaces import Gripper
from cell.drivers.modbus import Priority, Reply
from cell.drivers.robotiq_2f85 import Robotiq2F85
from cell.drivers.spec import DeviceSpec
from perception.errors import InputError
from sim.bench_drivers.lines import StillPlant
from sim.emulators.line_faults import LineQuality, NoisyLine
from sim.emulators.robotiq_2f85 import Robotiq2F85Device
from sim.emulators.slave import RtuSlave
from sim.links import LinkHall

CAPTURES = Path(__file__).parent / "captures"
BAD_LINE = LineQuality(late=0.1, late_s=(0.11, 0.3), noisy=0.2, flipped=0.1, lost=0.1)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1.0

    def __call__(self) -> float:
        return self.now_s


def advance(clock: Clock, seconds: float, *polls: Callable[[float], float | None]) -> None:
    end_s = clock.now_s + seconds
    while clock.now_s < end_s:
        wanted = [poll(clock.now_s) for poll in polls]
        next_s = min((value for value in wanted if value is not None), default=math.inf)
        clock.now_s = min(max(next_s, clock.now_s), end_s)


def ask_around(bus: Bus, told: list[Reply]) -> None:
    """A poll, a slower one, and commands now and then, as a cell has them."""
    bus.every(0.05, Request(9, READ_INPUT, 0x07D0, 3, twin=True), told.append)
    bus.every(0.2, Request(9, READ_INPUT, 0x03E8, 2), told.append)
    for number in range(3):
        values = (0, number, 0)
        priority = Priority.STOP if number == 2 else Priority.WRITE
        bus.submit(Request(9, WRITE_MANY, 0x03E8, values=values), told.append, priority)


def work(driver: Gripper, advance_by: Callable[[float], None]) -> list[object]:
    """What a driver is asked, and what it shows."""
    shown: list[object] = []
    driver.activate()
    for width_m in (0.0, 0.04, 0.085):
        advance_by(0.6)
        driver.move(width_m, speed_mps=0.1, force_n=40.0)
        shown.append(driver.status)
    advance_by(0.5)
    return [*shown, driver.status, driver.error]


Use = Callable[[Bus, Callable[[float], None]], list[object]]


def recorded(quality: LineQuality | None, use: Use) -> tuple[Capture, list[object]]:
    clock = Clock()
    hall = LinkHall(clock, threaded=False)
    slave = RtuSlave(9, Robotiq2F85Device(StillPlant()))
    if quality is not None:
        slave.fault = NoisyLine(quality, seed=5)
    hall.attach("line", slave)
    bus = Bus("line", lambda: hall.open("line", 115200), clock, 115200)
    events: list[Event] = []
    bus.tap(lambda now, direction, data: events.append(Event(now, 0, direction, bytes(data))))
    shown = use(bus, lambda seconds: advance(clock, seconds, bus.poll, hall.poll))
    return Capture((Port("line", 115200, False),), tuple(events)), shown


def played(capture: Capture, use: Use) -> list[object]:
    clock = Clock()
    links: list[ReplayLink] = []

    def open_link() -> ReplayLink:
        links.append(ReplayLink(capture.events, clock))
        return links[0]

    bus = Bus("line", open_link, clock, 115200)
    shown = use(bus, lambda seconds: advance(clock, seconds, bus.poll, lambda now: links[0].next_s))
    assert links[0].done
    return shown


def use_master(bus: Bus, advance_by: Callable[[float], None]) -> list[object]:
    told: list[Reply] = []
    ask_around(bus, told)
    advance_by(1.5)
    counts = bus.statistics
    return [[(reply.values, reply.failure) for reply in told], counts.stale, counts.timeouts, counts.corrupt]


def use_gripper(bus: Bus, advance_by: Callable[[float], None]) -> list[object]:
    driver = cast(Gripper, Robotiq2F85(DeviceSpec("gripper", "robotiq_2f85", "line", 9), bus))
    return [repr(value) for value in work(driver, advance_by)]


def without_times(shown: list[object]) -> list[object]:
    """Replay keeps intervals, not instants."""
    return [str(value).partition("stamp_s=")[0] for value in shown]


def test_master_takes_the_same_values_when_a_capture_of_a_bad_line_is_played() -> None:
    capture = read_capture((CAPTURES / "bad_line.txt").read_text())
    values, stale, timeouts, corrupt = played(capture, use_master)
    assert isinstance(values, list)
    # As it was when it was recorded: what was taken, and what was thrown away.
    assert (len(values), stale, timeouts, corrupt) == GOLDEN
    statuses = {reply for reply, failure in values if failure is None and len(reply) == 3}
    assert statuses == {(0xC000, 0, 0), (0xC000, 1, 0)}


def test_driver_does_the_same_when_a_capture_of_its_device_is_played() -> None:
    capture = read_capture((CAPTURES / "gripper.txt").read_text())
    shown = played(capture, use_gripper)
    assert "activated=True" in str(shown[-2])
    assert "at_request=True" in str(shown[-2])
    assert shown[-1] == "None"


@pytest.mark.parametrize("use", [use_master, use_gripper])
def test_capture_plays_alike_when_it_was_just_recorded(use: Callable[..., list[object]]) -> None:
    capture, shown = recorded(BAD_LINE, use)
    again = read_capture("\n".join(lines_of(capture)))
    assert without_times(played(again, use)) == without_times(shown)


def test_replay_says_where_when_something_else_is_sent() -> None:
    capture, _ = recorded(None, use_gripper)

    def other(bus: Bus, advance_by: Callable[[float], None]) -> list[object]:
        bus.submit(Request(9, READ_INPUT, 0x07D0, 3), lambda reply: None)
        bus.submit(Request(9, READ_INPUT, 0x07D1, 1), lambda reply: None)
        advance_by(1.0)
        return []

    with pytest.raises(ReplayDiverged, match="sent 09 04 07 d1 00 01"):
        played(capture, other)


def test_text_and_capture_are_the_same_when_written_and_read() -> None:
    ports = (Port("/dev/a port with blanks", 9600, False), Port("tcp://10.0.0.7:502", 115200, True))
    events = (Event(1.5, 0, ">", b"\x01\x02"), Event(2.0, 1, "!", b"gone"), Event(2.5, 1, "+", b""))
    capture = Capture(ports, events)
    assert read_capture("\n".join(lines_of(capture))) == capture
    one, other = capture.of("/dev/a port with blanks"), capture.of("tcp://10.0.0.7:502")
    assert merged([other, one]).of("tcp://10.0.0.7:502") == other


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("", 1),
        ("# cellwright wire capture 1\n1.0 0 > 00", 2),
        ("# cellwright wire capture 1\n# port 0 a 9600 rtu\n1.0 0 ? 00", 3),
        ("# cellwright wire capture 1\n# port 0 a 9600 rtu\n\n1.0 0 > 0", 4),
        ("# cellwright wire capture 1\n# port 0 a fast rtu", 2),
        ("# cellwright wire capture 1\n# port 0 a 9600 rtu\nx 0 > 00", 3),
    ],
)
def test_file_is_refused_with_its_line_when_it_is_no_capture(line: str, number: int) -> None:
    with pytest.raises(InputError) as refused:
        read_capture(line, Path("wire.txt"))
    assert refused.value.line == number


def test_process_records_its_wires_when_it_is_asked(live_bench, tmp_path: Path) -> None:
    request = CaptureRequest(tmp_path)
    watch = CaptureWatch(request, lambda: live_bench.devices.buses)
    watch.start()
    live_bench.devices.open(DeviceSpec("gripper", "robotiq_2f85", "sim:gripper", unit=9))
    until_s = time.monotonic() + 1.5
    request.ask(until_s)
    with pytest.raises(InputError, match="another capture"):
        request.ask(until_s)
    while time.monotonic() < until_s + 0.3:
        threading.Event().wait(0.05)
    watch.close()
    capture = request.take()
    assert [port.name for port in capture.ports] == ["sim:gripper"]
    directions = [event.direction for event in capture.events]
    assert directions.count(">") > 3
    assert directions.count("<") > 3
    assert request.until_s() is None
    assert not list((tmp_path / "wire").iterdir())


GOLDEN = (24, 4, 4, 4)


def main() -> None:
    """Record both captures anew."""
    CAPTURES.mkdir(exist_ok=True)
    for name, quality, use in (("bad_line", BAD_LINE, use_master), ("gripper", None, use_gripper)):
        capture, shown = recorded(quality, use)
        (CAPTURES / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines_of(capture)))
        print(name, len(capture.events), [len(shown[0]), *shown[1:]] if name == "bad_line" else shown[-2:])


if __name__ == "__main__":
    main()
