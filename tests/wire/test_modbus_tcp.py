"""Modbus TCP: the master's framing by itself, and bus, link and emulator over memory and over real connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from cell.drivers.bus import Bus
from cell.drivers.bus_thread import BusThread
from cell.drivers.frames import Request
from cell.drivers.mbap import StreamBroken, TcpFraming
from cell.drivers.modbus import Failure, Master, Reply
from cell.drivers.registry import Devices, DeviceSpec
from cell.drivers.tcp import TcpLink, tcp_address
from perception.errors import InputError
from sim import links
from sim.emulators.line_faults import LineQuality, NoisyLine
from sim.emulators.slave import TcpSlave

READ = Request(65, 3, 268, 1)


class AddressDevice:
    """Every register holds its own address."""

    functions = frozenset((3, 4, 6, 16, 23))

    def __init__(self) -> None:
        self.written: list[tuple[int, tuple[int, ...]]] = []

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        return range(address, address + count)

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        self.written.append((address, tuple(values)))

    def tick(self, now: float) -> float | None:
        return None


class Talk:
    """A master over TCP framing, and how its requests end."""

    def __init__(self) -> None:
        self.master = Master(TcpFraming(), reply_timeout_s=0.1)
        self.ended: list[Reply] = []
        self.now_s = 0.0

    def ask(self, request: Request = READ, retries: int = 0) -> bytes:
        self.master.submit(request, self.ended.append, retries=retries)
        return self.master.poll(self.now_s)[0]

    def feed(self, words: str) -> None:
        self.now_s += 0.001
        self.master.feed(bytes.fromhex(words), self.now_s)

    def time_out(self) -> None:
        self.now_s += 0.2
        self.master.poll(self.now_s)


def test_frame_is_that_of_the_specification_when_sent() -> None:
    talk = Talk()
    # Implementation guide 1.0b, 3.1.3: transaction, protocol 0, length, unit, PDU.
    assert talk.ask() == bytes.fromhex("0001 0000 0006 41 03 010C 0001")
    talk.feed("0001 0000 0005 41 03 02 0003")
    assert talk.ended[0].values == (3,)
    assert talk.ask(Request(65, 16, 0, values=(400, 500))) == bytes.fromhex(
        "0002 0000 000B 41 10 0000 0002 04 0190 01F4"
    )
    talk.feed("0002 0000 0006 41 10 0000 0002")
    assert talk.ended[1].ok


def test_late_reply_is_never_a_value_when_the_same_is_asked_again() -> None:
    talk = Talk()
    talk.ask()
    talk.time_out()
    talk.ask()
    talk.feed("0001 0000 0005 41 03 02 1111")
    assert [reply.failure for reply in talk.ended] == [Failure.TIMEOUT]
    talk.feed("0002 0000 0005 41 03 02 2222")
    assert talk.ended[1].values == (0x2222,)
    assert talk.master.statistics.stale == 1


@pytest.mark.parametrize("cut", range(1, 11))
def test_replies_are_found_when_segments_split_and_merge_them(cut: int) -> None:
    talk = Talk()
    talk.ask()
    talk.time_out()
    talk.ask()
    # The late reply and the right one in one stream, cut at any place.
    stream = "00010000000541030211110002000000054103022222"
    talk.feed(stream[: 2 * cut])
    assert len(talk.ended) == 1
    talk.feed(stream[2 * cut :])
    assert talk.ended[1].values == (0x2222,)
    assert talk.ask() == bytes.fromhex("0003 0000 0006 41 03 010C 0001")


@pytest.mark.parametrize(
    "reply",
    [
        "0001 0000 0005 42 03 02 1111",
        "0001 0000 0005 41 04 02 1111",
        "0001 0000 0007 41 03 04 1111 2222",
        "0001 0000 0005 41 03 04 1111",
        "0001 0000 0006 41 03 02 1111 00",
    ],
)
def test_reply_is_corrupt_when_it_answers_something_else_under_the_number(reply: str) -> None:
    talk = Talk()
    talk.ask()
    talk.feed(reply)
    talk.time_out()
    assert [reply.failure for reply in talk.ended] == [Failure.CORRUPT]


def test_refusal_is_told_when_the_gateway_does_not_reach_its_device() -> None:
    talk = Talk()
    talk.ask()
    talk.feed("0001 0000 0003 41 83 0B")
    assert (talk.ended[0].failure, talk.ended[0].exception) == (Failure.EXCEPTION, 11)


@pytest.mark.parametrize("words", ["0001 0001 0005 41 03 02 1111", "0001 0000 0002 41 03", "0001 0000 0FFF 41 03"])
def test_connection_is_given_up_when_the_stream_is_no_modbus(words: str) -> None:
    talk = Talk()
    talk.ask()
    with pytest.raises(StreamBroken, match="no Modbus TCP"):
        talk.feed(words + "00" * 4)


def test_connection_is_given_up_when_nobody_answers_any_more() -> None:
    talk = Talk()
    for _ in range(2):
        talk.ask()
        talk.time_out()
    talk.ask()
    with pytest.raises(StreamBroken, match="nobody has answered 3 times"):
        talk.time_out()


class Stand:
    """A hall with one TCP line in memory and a bus on it, in told time."""

    def __init__(self, slave: TcpSlave) -> None:
        self.now_s = 0.0
        self.hall = links.LinkHall(lambda: self.now_s, threaded=False)
        self.hall.attach_tcp("box", slave)
        self.bus = Bus("box", lambda: self.hall.open_tcp("box"), lambda: self.now_s, 115200, tcp=True)

    def run(self, until: Callable[[], bool], within_s: float = 1e6) -> None:
        end_s = self.now_s + within_s
        while not until():
            assert self.now_s < end_s
            wanted = [self.bus.poll(self.now_s), self.hall.poll(self.now_s)]
            self.now_s = max(self.now_s, min((value for value in wanted if value is not None), default=self.now_s))


def test_no_value_is_stale_when_replies_are_late_and_lost() -> None:
    slave = TcpSlave(65, AddressDevice())
    slave.fault = NoisyLine(LineQuality(late=0.3, late_s=(0.05, 0.4), lost=0.1), seed=3)
    stand = Stand(slave)
    replies: list[Reply] = []

    def ask() -> None:
        stand.bus.submit(Request(65, 3, len(replies), 1 + len(replies) % 2), done, retries=0)

    def done(reply: Reply) -> None:
        replies.append(reply)
        ask()

    ask()
    stand.run(lambda: len(replies) >= 3000)
    good = [reply for reply in replies if reply.ok]
    assert 1500 < len(good) < 2500
    assert all(reply.values[0] == reply.request.address for reply in good)
    assert stand.bus.statistics.stale > 300


def test_new_connection_is_made_when_the_device_has_lost_its_power() -> None:
    slave = TcpSlave(65, AddressDevice())
    stand = Stand(slave)
    replies: list[Reply] = []
    stand.bus.every(0.02, READ, replies.append)
    stand.run(lambda: len(replies) == 3)
    slave.power_off(stand.now_s)
    off_s = stand.now_s
    stand.run(lambda: not replies[-1].ok)
    assert stand.now_s - off_s < 0.1
    slave.power_on(stand.now_s)
    stand.run(lambda: replies[-1].ok, within_s=1.0)
    assert stand.bus.reopened >= 1


@pytest.fixture
def hall() -> Iterator[links.LinkHall]:
    hall = links.LinkHall(time.monotonic, threaded=True)
    hall.attach_tcp("box", TcpSlave(65, AddressDevice()))
    hall.start()
    links.use(hall)
    yield hall
    links.use(None)
    hall.close()


def wait(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s
        threading.Event().wait(0.002)


def test_bus_is_back_by_itself_when_a_cable_was_out(hall: links.LinkHall) -> None:
    bus = Bus("box", lambda: hall.open_tcp("box"), time.monotonic, 115200, tcp=True)
    thread = BusThread(bus)
    thread.start()
    replies: list[Reply] = []
    bus.every(0.02, READ, replies.append)
    try:
        wait(lambda: len(replies) > 2 and replies[-1].ok)
        hall.unplug("box")
        wait(lambda: not replies[-1].ok)
        wait(lambda: not bus.connected)
        hall.plug("box")
        wait(lambda: bus.connected and replies[-1].ok)
        assert bus.reopened >= 1
    finally:
        thread.stop()


def test_port_of_a_device_is_an_address_when_it_speaks_tcp(hall: links.LinkHall) -> None:
    devices = Devices(time.monotonic, threaded=False)
    try:
        for port in (f"tcp://{hall.address('box')}", "sim+tcp:box"):
            bus = devices.bus(DeviceSpec("box", "any", port))
            assert bus.tcp
            told: list[Reply] = []
            bus.submit(READ, told.append)

            def answered(bus: Bus = bus, told: list[Reply] = told) -> bool:
                bus.poll(time.monotonic())
                return bool(told)

            wait(answered)
            assert told[0].values == (268,)
        with pytest.raises(InputError, match="carries TCP: its port is sim\\+tcp:box"):
            devices.bus(DeviceSpec("box", "any", "sim:box"))
    finally:
        devices.close()


def test_pymodbus_reads_and_writes_when_it_is_the_client(hall: links.LinkHall) -> None:
    client_module = pytest.importorskip("pymodbus.client", reason="pymodbus comes with the extra 'bench'")
    host, _, port = hall.address("box").partition(":")
    client = client_module.ModbusTcpClient(host, port=int(port), timeout=2.0)
    assert client.connect()
    try:
        assert client.read_holding_registers(258, count=3, device_id=65).registers == [258, 259, 260]
        assert not client.write_registers(0, [400, 500, 1], device_id=65).isError()
        assert client.read_holding_registers(0, count=1, device_id=1).exception_code == 11
    finally:
        client.close()


def test_nothing_is_waited_for_when_an_address_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    link = TcpLink("127.0.0.1", port)
    with pytest.raises(OSError, match="refused"):
        link.wait()
    link.close()


def test_old_bytes_never_arrive_when_a_link_is_closed_before_they_are_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = TcpLink("127.0.0.1", server.getsockname()[1])
        link.wait()
        link.write(b"an old command")
        link.close()
        connection, _ = server.accept()
        with connection, pytest.raises(ConnectionResetError):
            connection.recv(100)
            connection.recv(100)


@pytest.mark.parametrize(
    ("port", "address"),
    [("tcp://10.0.0.7:1502", ("10.0.0.7", 1502)), ("tcp://box", ("box", 502)), ("//[::1]:7", ("::1", 7))],
)
def test_address_is_host_and_port_when_it_is_one(port: str, address: tuple[str, int]) -> None:
    assert tcp_address(port) == address


@pytest.mark.parametrize("port", ["tcp:box", "tcp://", "tcp://box:99999", "tcp://box:x", "tcp://box/path", "tcp://a@b"])
def test_address_is_refused_when_it_is_none(port: str) -> None:
    with pytest.raises(InputError, match="tcp:"):
        tcp_address(port)
