"""How soon a lost device is missed, how soon it is back, and what a stop has to wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest

from cell.drivers.bus import Bus
from cell.drivers.bus_thread import BusThread
from cell.drivers.frames import Request
from cell.drivers.modbus import Priority, Reply
from cell.drivers.registry import DeviceSpec
from sim.bench_drivers import replug, stale
from sim.bench_drivers.lines import ClockDevice
from sim.bench_drivers.table import Setup
from sim.emulators.device_faults import Stranger
from sim.emulators.line_faults import LineQuality, NoisyLine
from sim.emulators.slave import RtuSlave
from sim.links import LinkHall

PERIOD_S = 0.02
NOTICED_S = 0.1
BACK_S = 1.0


class Counter:
    """Register 0 counts the reads; writes are noted with their time."""

    functions = frozenset((3, 4, 6, 16))

    def __init__(self) -> None:
        self.reads = 0
        self.written: list[tuple[float, int]] = []

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        self.reads += 1
        return [self.reads & 0xFFFF, *[7] * (count - 1)]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        self.written += [(now, value) for value in values]

    def tick(self, now: float) -> float | None:
        return None

    def power_on(self, now: float) -> None:
        self.reads = 0


class Stand:
    """A bus with one device, asked every 20 ms, in told time."""

    def __init__(self, baudrate: int = 115200, period_s: float = PERIOD_S) -> None:
        self.now_s = 0.0
        self.hall = LinkHall(lambda: self.now_s, threaded=False)
        self.device = Counter()
        self.slave = RtuSlave(9, self.device, baudrate=baudrate)
        self.hall.attach("line", self.slave, baudrate=baudrate)
        self.bus = Bus("line", lambda: self.hall.open("line", baudrate), lambda: self.now_s, baudrate)
        self.told: list[Reply] = []
        self.bus.every(period_s, Request(9, 4, 0, 3, twin=True), self.told.append)

    def step(self) -> None:
        wanted = [self.bus.poll(self.now_s), self.hall.poll(self.now_s)]
        self.now_s = max(self.now_s, min(value for value in wanted if value is not None))

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            wanted = [self.bus.poll(self.now_s), self.hall.poll(self.now_s)]
            next_s = max(self.now_s, min(value for value in wanted if value is not None))
            if next_s > end_s:
                self.now_s = end_s
                return
            self.now_s = next_s

    def until(self, condition: Callable[[], bool]) -> float:
        began_s = self.now_s
        while not condition():
            assert self.now_s < began_s + 30.0
            self.step()
        return self.now_s - began_s


@pytest.mark.parametrize("phase", [0.0, 0.0005, 0.003, 0.0055, 0.019])
@pytest.mark.parametrize(("baudrate", "period_s"), [(115200, 0.02), (38400, 0.02), (9600, 0.02)])
def test_device_is_missed_within_100_ms_when_it_falls_silent(phase: float, baudrate: int, period_s: float) -> None:
    stand = Stand(baudrate, period_s)
    stand.run(5.0 + phase)
    assert stand.told[-1].ok
    stand.slave.power_off(stand.now_s)
    stand.until(lambda: not stand.told[-1].ok)
    # A reply that the emulator has handed over arrives whole.
    lost_s = max(5.0 + phase, *(reply.stamp_s for reply in stand.told if reply.ok))
    assert stand.now_s - lost_s <= NOTICED_S


def test_device_is_missed_at_once_when_its_plug_is_pulled() -> None:
    stand = Stand()
    stand.run(1.0)
    stand.hall.unplug("line")
    stand.run(0.001)
    assert not stand.told[-1].ok


def test_reply_that_is_lost_now_and_then_is_no_loss_of_the_device() -> None:
    stand = Stand()
    count = 0

    def every_tenth(reply: bytes, now: float) -> list[object]:
        nonlocal count
        count += 1
        from sim.emulators.slave import Delivery

        return [] if count % 10 == 0 else [Delivery(0.0, reply)]

    stand.slave.fault = every_tenth  # type: ignore[assignment]
    stand.run(20.0)
    assert len(stand.told) > 400
    assert all(reply.ok for reply in stand.told)


@pytest.mark.parametrize("outage_s", [0.01, 0.3, 2.0, 61.7, 3600.0])
def test_device_is_back_within_a_second_whatever_the_outage(outage_s: float) -> None:
    stand = Stand()
    stand.run(1.0)
    stand.hall.unplug("line")
    stand.run(outage_s)
    stand.hall.plug("line")
    assert stand.until(lambda: stand.told[-1].ok) <= BACK_S


@pytest.mark.parametrize("outage_s", [0.2, 3.0, 40.0])
def test_device_is_back_within_a_second_when_its_power_was_off(outage_s: float) -> None:
    stand = Stand()
    stand.run(1.0)
    stand.slave.power_off(stand.now_s)
    stand.run(outage_s)
    stand.slave.power_on(stand.now_s)
    assert stand.until(lambda: stand.told[-1].ok) <= BACK_S
    assert stand.told[-1].values[0] == 1


def test_stop_waits_for_no_more_than_the_transaction_on_the_wire_when_the_queue_is_full() -> None:
    stand = Stand()
    stand.run(0.5)
    for _ in range(100):
        stand.bus.submit(Request(9, 4, 0, 100), lambda reply: None, Priority.POLL)
        stand.bus.submit(Request(9, 16, 0, values=(5,) * 60), lambda reply: None)
    stand.run(0.05)
    # The longest on the wire: a read of 100 registers, 8 and 205 bytes with both silences.
    longest_s = (8 + 205) * 10 / 115200 + 2 * 0.00175
    asked_s = stand.now_s
    stand.bus.submit(Request(9, 6, 1, values=(77,)), lambda reply: None, Priority.STOP)
    stand.until(lambda: stand.device.written[-1][1] == 77)
    own_s = 8 * 10 / 115200 + 2 * 0.00175
    assert stand.device.written[-1][0] - asked_s <= longest_s + own_s


def test_statistics_show_rate_and_latency_when_a_line_is_asked() -> None:
    stand = Stand()
    stand.run(4.0)
    summary = stand.bus.statistics.summary(stand.now_s)
    assert summary["rate_hz"] == pytest.approx(50.0, rel=0.02)
    # 8 and 11 bytes, and the silence by which the device knows the end of the request.
    assert summary["latency_p50_s"] == pytest.approx(19 * 10 / 115200 + 0.00175, rel=0.01)
    assert summary["latency_p99_s"] >= summary["latency_p50_s"]
    assert summary["timeouts"] == summary["failed"] == 0


def test_frame_is_not_answered_when_it_follows_too_soon() -> None:
    slave = RtuSlave(9, Counter())
    from cell.drivers.crc import with_crc

    frame = with_crc(bytes.fromhex("09 04 0000 0001"))
    character_s, silence_s = 10 / 115200, 0.00175
    slave.feed(frame, 1.0)
    reply, _ = slave.poll(1.0 + silence_s)
    replied_s = 1.0 + silence_s + len(reply) * character_s
    for pause_s, answered in ((0.001, False), (0.00176, True)):
        end_s = replied_s + pause_s + len(frame) * character_s
        slave.feed(frame, end_s)
        out, _ = slave.poll(end_s + silence_s)
        assert bool(out) is answered
        replied_s = end_s + silence_s + len(out) * character_s
    assert slave.too_soon == 1


def test_master_keeps_the_silence_when_the_emulator_insists_on_it() -> None:
    stand = Stand()
    ended: list[Reply] = []

    def again(reply: Reply) -> None:
        ended.append(reply)
        stand.bus.submit(Request(9, 4, 0, 3, twin=True), again, retries=0)

    again(Reply(Request(9, 4, 0, 3), 0.0))
    stand.run(2.0)
    assert stand.slave.too_soon == 0
    assert all(reply.ok for reply in ended)
    assert len(ended) / 2.0 > 0.95 / (19 * 10 / 115200 + 0.0035)


def test_values_stay_when_the_device_is_frozen_and_go_on_afterwards() -> None:
    stand = Stand()
    stand.run(0.5)
    stand.slave.frozen = True
    stand.run(0.3)
    frozen = {reply.values for reply in stand.told[-4:]}
    stand.run(0.3)
    assert {reply.values for reply in stand.told[-4:]} == frozen
    assert all(reply.ok for reply in stand.told)
    stand.slave.frozen = False
    stand.run(0.3)
    assert len({reply.values for reply in stand.told[-4:]}) == 4


def test_stranger_notes_what_it_should_never_have_heard() -> None:
    stand = Stand()
    stranger = stand.slave.stranger = Stranger(seed=4)
    stand.bus.submit(Request(9, 6, 5, values=(8,)), lambda reply: None)
    stand.run(0.2)
    assert [command[1:] for command in stranger.commands] == [(6, 5, (8,))]
    assert stand.told[-1].values == tuple(stranger.read(4, 0, 3, 0.0))


def test_same_seed_disturbs_alike_when_requests_are_disturbed_too() -> None:
    def outcome(seed: int) -> list[tuple[int, ...]]:
        stand = Stand()
        quality = LineQuality(lost=0.1, flipped=0.1, noisy=0.1, cut=0.1, doubled=0.1, late=0.1, late_s=(0.001, 0.01))
        stand.slave.request_fault = NoisyLine(quality, seed)
        stand.slave.fault = NoisyLine(quality, seed + 1)
        stand.run(5.0)
        return [reply.values for reply in stand.told]

    assert outcome(1) == outcome(1)
    assert outcome(1) != outcome(2)


def test_no_stale_value_comes_out_when_thousands_of_transactions_are_faulty() -> None:
    tally = stale.simulated(1500, seed=11)
    assert tally.wrong == 0
    assert tally.answered > 500


def test_no_stale_value_comes_out_when_lines_are_ptys() -> None:
    tally = stale.live(150, seed=12)
    assert tally.wrong == 0
    assert tally.asked >= 100


def test_stale_values_would_be_counted_when_they_came() -> None:
    now_s = 5.0
    values = ClockDevice().read(4, 10, 4, now_s)
    from sim.bench_drivers.lines import is_right

    assert is_right(values, 10, now_s)
    assert is_right(values, 10, now_s - 0.5)
    assert not is_right(values, 10, now_s + 0.002)
    assert not is_right(values, 12, now_s)


def test_device_behind_a_pty_is_missed_and_back_in_time_when_its_plug_is_pulled(live_bench) -> None:
    block = live_bench.devices.open(DeviceSpec("encoder", "modbus_io", "sim:io", unit=2))
    live_bench.wait(lambda: block.connected)
    for outage_s in (0.1, 1.2):
        unplugged_s = time.monotonic()
        live_bench.hall.unplug("io")
        live_bench.wait(lambda: not block.connected)
        assert time.monotonic() - unplugged_s < NOTICED_S + 0.4  # a busy machine
        until_s = unplugged_s + outage_s
        live_bench.wait(lambda until_s=until_s: time.monotonic() > until_s)
        plugged_s = time.monotonic()
        live_bench.hall.plug("io")
        live_bench.wait(lambda: block.connected)
        assert time.monotonic() - plugged_s < BACK_S + 0.5


def test_replug_is_measured_when_the_bench_is_short() -> None:
    lines: list[str] = []
    setup = Setup(rounds=1, short=True)
    times_s = replug._ours(setup, (0.1,))
    assert 0.0 < times_s[0] < BACK_S + 0.5
    assert lines == []


def test_threads_of_lost_ports_end_when_told(tmp_path) -> None:
    import threading

    from cell.drivers.serial_port import SerialPort
    from sim.ptys import PtyPort

    port = PtyPort("x", RtuSlave(9, Counter()), time.monotonic, 115200, lock=threading.RLock(), link=tmp_path / "p")
    port.start()
    bus = Bus("x", lambda: SerialPort(port.path, 115200), time.monotonic, 115200)
    thread = BusThread(bus)
    thread.start()
    port.unplug()
    thread.stop()
    port.close()
    assert not bus.connected
