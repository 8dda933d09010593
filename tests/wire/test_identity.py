"""Who answers is asked after every reconnect: no value counts and no command goes out before it is the right device."""

from __future__ import annotations

from collections.abc import Sequence

from cell.drivers.bus import Bus
from cell.drivers.frames import Request
from cell.drivers.identity import Identity
from cell.drivers.modbus import Failure, Priority, Reply
from sim.emulators.device_faults import Stranger
from sim.emulators.slave import RtuSlave
from sim.links import LinkHall

STATUS = Request(9, 4, 0, 2, twin=True)
WHO = Request(9, 4, 6, 1, twin=True)
COMMAND = Request(9, 6, 3, values=(1,))
STOP = Request(9, 6, 3, values=(0,))
NAME = 0xCE11


class Named:
    """Eight registers, one of which says who it is."""

    functions = frozenset((3, 4, 6))

    def __init__(self) -> None:
        self.values = [0, 0, 0, 0, 0, 0, NAME, 0]
        self.written: list[int] = []

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        return self.values[address : address + count]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        self.written += values

    def tick(self, now: float) -> float | None:
        return None


class Stand:
    """A bus with a guarded device on a line in memory, in told time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.hall = LinkHall(lambda: self.now_s, threaded=False)
        self.device = Named()
        self.slave = RtuSlave(9, self.device)
        self.hall.attach("line", self.slave)
        self.bus = Bus("line", lambda: self.hall.open("line", 115200), lambda: self.now_s, 115200)
        self.bus.identify(Identity(WHO, lambda values: None if values[0] == NAME else f"it is {values[0]:#06x}"))
        self.values: list[Reply] = []
        self.ended: list[Reply] = []
        self.bus.every(0.02, STATUS, self.values.append)

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            wanted = [self.bus.poll(self.now_s), self.hall.poll(self.now_s)]
            self.now_s = min(max(min(v for v in wanted if v is not None), self.now_s), end_s)

    def submit(self, request: Request, priority: Priority = Priority.WRITE) -> None:
        self.bus.submit(request, self.ended.append, priority)


def test_values_and_commands_come_when_the_device_is_the_right_one() -> None:
    stand = Stand()
    stand.submit(COMMAND)
    stand.run(0.2)
    assert stand.values[-1].ok
    assert stand.ended[0].ok
    assert stand.device.written == [1]
    assert stand.bus.wrong_device(9) is None


def test_nothing_is_sent_but_the_question_when_another_device_answers() -> None:
    stand = Stand()
    stranger = stand.slave.stranger = Stranger(seed=1)
    stand.submit(COMMAND)
    stand.submit(STOP, Priority.STOP)
    stand.run(1.0)
    stand.submit(COMMAND)
    stand.submit(STOP, Priority.STOP)
    stand.run(1.0)
    assert stranger.commands == []
    assert [reply.failure for reply in stand.ended] == [Failure.UNIDENTIFIED] * 4
    assert not any(reply.ok for reply in stand.values)
    assert "the wrong device answers: it is 0x" in stand.values[-1].reason
    assert stand.bus.wrong_device(9) is not None


def test_right_device_is_taken_back_within_a_second_when_it_replaces_the_wrong_one() -> None:
    stand = Stand()
    stand.slave.stranger = Stranger(seed=1)
    stand.run(5.0)
    stand.slave.stranger = None
    stand.run(1.0)
    assert stand.values[-1].ok
    stand.submit(COMMAND)
    stand.run(0.1)
    assert stand.device.written == [1]


def test_identity_is_asked_first_when_the_plug_was_out_meanwhile() -> None:
    stand = Stand()
    stand.run(0.5)
    good = len(stand.values)
    stand.hall.unplug("line")
    stand.run(0.2)
    # Somebody plugs another device in.
    stranger = stand.slave.stranger = Stranger(seed=2)
    stand.hall.plug("line")
    stand.submit(COMMAND)
    stand.run(1.0)
    assert not any(reply.ok for reply in stand.values[good:])
    assert stranger.commands == []
    assert stand.values[-1].failure is Failure.UNIDENTIFIED


def test_identity_is_asked_again_when_the_device_was_silent() -> None:
    stand = Stand()
    stand.run(0.5)
    stand.slave.power_off(stand.now_s)
    stand.run(0.5)
    good = len(stand.values)
    stand.slave.stranger = Stranger(seed=3)
    stand.slave.power_on(stand.now_s)
    stand.run(1.5)
    assert not any(reply.ok for reply in stand.values[good:])
    stand.slave.stranger = None
    stand.run(1.0)
    assert stand.values[-1].ok


def test_stop_goes_out_at_once_when_the_device_only_fell_silent() -> None:
    stand = Stand()
    stand.run(0.5)
    # It hears, but its answers are lost.
    stand.slave.fault = lambda reply, now: ()
    stand.run(0.3)
    assert not stand.values[-1].ok
    stand.submit(STOP, Priority.STOP)
    stand.submit(COMMAND)
    stand.run(0.15)
    assert set(stand.device.written) == {0}


def test_stop_goes_out_behind_the_question_when_the_port_was_opened_anew() -> None:
    stand = Stand()
    stand.run(0.5)
    stand.hall.unplug("line")
    stand.run(0.2)
    stand.hall.plug("line")
    stand.slave.fault = lambda reply, now: ()
    while not stand.bus.connected:
        stand.run(0.01)
    stand.submit(STOP, Priority.STOP)
    stand.submit(COMMAND)
    stand.run(0.4)
    # Nobody says who he is: the command ends, the stop is tried.
    assert set(stand.device.written) == {0}
    assert any(reply.request is COMMAND and reply.failure is Failure.TIMEOUT for reply in stand.ended)


def test_device_is_the_wrong_one_when_it_refuses_to_say_who_it_is() -> None:
    stand = Stand()
    stand.device.functions = frozenset((6,))
    stand.run(0.5)
    assert "refuses to say what it is (code 1)" in stand.values[-1].reason
