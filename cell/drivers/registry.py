"""The one way to a device: from its name in the config to a driver on a bus.

Models come from the entry-point group ``cellwright.drivers``, link schemes (``SCHEME:NAME`` as a port) from
``cellwright.links``; any other port is a path that pyserial opens. Devices on one port share its bus.
"""

from __future__ import annotations

import atexit
import dataclasses
import time
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, cast

from cell.drivers.bus import Bus
from cell.drivers.bus_thread import BusThread
from cell.drivers.capture import CaptureRequest, CaptureWatch
from cell.drivers.host import HostBus
from cell.drivers.interfaces import Device
from cell.drivers.links import TCP_SCHEME, ByteLink, speaks_tcp
from cell.drivers.modbus import REPLY_TIMEOUT_S
from cell.drivers.serial_port import SerialPort
from cell.drivers.spec import DeviceSpec, Options
from cell.drivers.stream import StreamBus
from cell.simfolder import default_state
from perception.errors import InputError

__all__ = ["DeviceSpec", "Devices", "process_devices", "use_devices"]

DRIVERS = "cellwright.drivers"
LINKS = "cellwright.links"

AnyBus = Bus | StreamBus | HostBus
# A driver takes the kind of bus that its attribute ``BUS`` names; without one, a Modbus ``Bus``.
Driver = Callable[[DeviceSpec, Any], Device]
LinkOpener = Callable[[str, int], ByteLink]
Plugins = Callable[[str], Mapping[str, Callable[[], object]]]


def installed(group: str) -> Mapping[str, Callable[[], object]]:
    """What the installed packages offer in an entry-point group: name -> what loads it."""
    return {point.name: point.load for point in entry_points(group=group)}


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """How a port is spoken to; everybody on it must agree."""

    baudrate: int
    parity: str
    stopbits: int
    reply_timeout_s: float

    @property
    def bits_per_character(self) -> int:
        return 9 + self.stopbits + (self.parity != "N")


def line_of(spec: DeviceSpec, options: Options, driver: object = None) -> Line:
    """How a device's line is spoken to, after its options of every model.

    A driver whose device comes with other defaults has them in ``LINE`` (``{"stopbits": 2}``), and in ``BAUDRATES`` the
    speeds that it has, where those are not all.

    Raises:
        InputError: one of them is wrong.
    """
    own: Mapping[str, object] = getattr(driver, "LINE", {})
    able: tuple[int, ...] = getattr(driver, "BAUDRATES", ())
    if able and spec.baudrate not in able:
        raise spec.wrong("baudrate", f"{spec.baudrate} is none of a {spec.model}'s: {', '.join(map(str, able))}")
    return Line(
        spec.baudrate,
        options.choice("parity", str(own.get("parity", "N")), ("N", "E", "O")),
        options.whole("stopbits", cast(int, own.get("stopbits", 1)), 1, 2),
        options.number("reply_timeout_s", cast(float, own.get("reply_timeout_s", REPLY_TIMEOUT_S)), 0.01, 1.0),
    )


def check_link(spec: DeviceSpec, driver: object) -> None:
    """Raises InputError where a device that speaks Modbus TCP alone (``LINK = "tcp"``) has a serial port."""
    if getattr(driver, "LINK", "") == TCP_SCHEME and not speaks_tcp(spec.port):
        own = "Modbus TCP: write tcp://HOST:502" if getattr(driver, "BUS", Bus) is Bus else "TCP: write tcp://HOST"
        raise spec.wrong("port", f"a {spec.model} speaks {own}, not {spec.port}")


@dataclasses.dataclass(slots=True)
class _Port:
    line: Line
    bus: AnyBus
    opened_by: str
    thread: BusThread | None = None


class Devices:
    """All devices of one process.

    Args:
        clock: seconds, monotonic; every bus and reading uses it.
        threaded: True: each bus has a thread between ``start`` and ``close``. False: whoever owns simulated time polls.
        plugins: what an entry-point group offers.
        modbus: the kind of bus that Modbus drivers get.
    """

    # How fast serial ports go.
    BAUDRATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1000000)

    def __init__(
        self,
        clock: Callable[[], float],
        threaded: bool,
        *,
        plugins: Plugins = installed,
        modbus: type[Bus] = Bus,
    ) -> None:
        self.clock = clock
        self.threaded = threaded
        self._plugins = plugins
        self._modbus = modbus
        self._ports: dict[str, _Port] = {}
        self._opened: dict[tuple[str, int], tuple[DeviceSpec, Device]] = {}
        self._started = False
        self._watch: CaptureWatch | None = None

    @property
    def buses(self) -> dict[str, AnyBus]:
        """The bus of each port."""
        return {name: port.bus for name, port in self._ports.items()}

    @property
    def opened(self) -> dict[str, Device]:
        """Every device by its name."""
        return {spec.name: device for spec, device in self._opened.values()}

    def open(self, spec: DeviceSpec) -> Device:
        """The driver of a device; asking again for the same device gives the same driver.

        A model whose one unit serves several roles (attribute ``ROLES_SHARE``) is shared by every name that describes
        it alike: the I/O block is encoder and safety inputs at once.

        Raises:
            InputError: unknown model, scheme, option, bad unit or baud rate, a port that cannot be opened, or a second
                device with this unit on this port.
        """
        drivers = self._plugins(DRIVERS)
        if spec.model not in drivers:
            raise spec.wrong("model", f"no driver for model '{spec.model}' (there are: {', '.join(sorted(drivers))})")
        self._check(spec)
        driver = cast(Driver, drivers[spec.model]())
        place = (spec.port, spec.unit)
        if place in self._opened:
            return self._again(spec, *self._opened[place], getattr(driver, "ROLES_SHARE", False))
        check_link(spec, driver)
        options = Options(spec)
        line = line_of(spec, options, driver)
        new = spec.port not in self._ports
        port = self._open_port(spec, line, getattr(driver, "BUS", Bus))
        try:
            device = driver(dataclasses.replace(spec, options=options.rest()), port.bus)
        except InputError:
            if new:
                del self._ports[spec.port]
                port.bus.close()
            raise
        self._opened[place] = (spec, device)
        if self._started and port.thread is None:
            self._run(port)
        return device

    def bus(self, spec: DeviceSpec) -> Bus:
        """The bus of a device's port without a driver on it: nothing is asked or said until somebody submits it.

        Raises:
            InputError: a bad unit, baud rate or line option, or a port that cannot be opened.
        """
        self._check(spec)
        drivers = self._plugins(DRIVERS)
        driver = drivers[spec.model]() if spec.model in drivers else None
        check_link(spec, driver)
        return cast(Bus, self._open_port(spec, line_of(spec, Options(spec), driver), Bus).bus)

    def poll(self, now: float) -> float | None:
        """Poll every bus (simulated time); returns the earliest time at which one wants to be polled again."""
        earliest_s: float | None = None
        for port in self._ports.values():
            wanted_s = port.bus.poll(now)
            if wanted_s is not None and (earliest_s is None or wanted_s < earliest_s):
                earliest_s = wanted_s
        return earliest_s

    def start(self) -> None:
        """Start the buses' threads, if there are to be any; a port that is opened later starts at once."""
        self._started = self.threaded
        if self.threaded:
            if self._watch is None:
                self._watch = CaptureWatch(CaptureRequest(default_state()), lambda: dict(self.buses))
                self._watch.start()
            for port in self._ports.values():
                if port.thread is None:
                    self._run(port)

    def close(self) -> None:
        """Stop the threads and give the ports back. Callable twice."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        for port in self._ports.values():
            if port.thread is not None:
                port.thread.stop()
            else:
                port.bus.close()
        self._ports.clear()
        self._opened.clear()
        self._started = False

    def _check(self, spec: DeviceSpec) -> None:
        if not spec.port:
            raise spec.wrong("port", "names no port")
        if not 1 <= spec.unit <= 247:
            raise spec.wrong("unit", f"{spec.unit} is not within 1..247")
        if spec.baudrate not in self.BAUDRATES:
            raise spec.wrong("baudrate", f"{spec.baudrate} is none of {', '.join(map(str, self.BAUDRATES))}")

    def _again(self, spec: DeviceSpec, first: DeviceSpec, device: Device, roles_share: bool) -> Device:
        alike = dataclasses.replace(spec, name=first.name, key=first.key) == first
        if alike and (roles_share or spec.name == first.name):
            return device
        raise spec.wrong("unit", f"unit {spec.unit} on port {spec.port} is taken by device '{first.name}'")

    def _open_port(self, spec: DeviceSpec, line: Line, kind: type[AnyBus]) -> _Port:
        port = self._ports.get(spec.port)
        if port is not None:
            if kind is not Bus or not isinstance(port.bus, Bus):
                raise spec.wrong("port", f"{spec.port} is '{port.opened_by}', and they cannot share it")
            if port.line != line:
                raise spec.wrong("port", f"{spec.port} is spoken to differently by '{port.opened_by}': {port.line}")
            return port
        try:
            opener = self._opener(spec, line)
            bus: AnyBus
            if kind is Bus:
                bus = self._modbus(
                    spec.port,
                    opener,
                    self.clock,
                    line.baudrate,
                    bits_per_character=line.bits_per_character,
                    reply_timeout_s=line.reply_timeout_s,
                    tcp=speaks_tcp(spec.port),
                )
            elif kind is HostBus:
                bus = HostBus(spec.port, self.clock)
            else:
                bus = StreamBus(spec.port, opener, self.clock, line.baudrate)
        except InputError as error:
            raise spec.wrong("port", error.message) from error
        except OSError as error:
            raise spec.wrong("port", f"cannot open {spec.port}: {error.strerror or error}") from error
        port = _Port(line, bus, spec.name)
        self._ports[spec.port] = port
        return port

    def _opener(self, spec: DeviceSpec, line: Line) -> Callable[[], ByteLink]:
        scheme, colon, name = spec.port.partition(":")
        if colon and "/" not in scheme:
            schemes = self._plugins(LINKS)
            if scheme not in schemes:
                known = ", ".join(sorted(schemes))
                raise spec.wrong("port", f"{spec.port}: no link scheme '{scheme}' (there are: {known})")
            opener = cast(LinkOpener, schemes[scheme]())
            return lambda: opener(name, line.baudrate)
        return lambda: SerialPort(spec.port, line.baudrate, parity=line.parity, stopbits=line.stopbits)

    def _run(self, port: _Port) -> None:
        port.thread = BusThread(cast(Bus, port.bus))
        port.thread.start()


class _Process:
    """The devices that the nodes of this process share."""

    devices: Devices | None = None


def process_devices() -> Devices:
    """The devices of this process; in real time with threads, unless ``use_devices`` has said otherwise."""
    if _Process.devices is None:
        _Process.devices = Devices(time.monotonic, threaded=True)
        _Process.devices.start()
        atexit.register(_Process.devices.close)
    return _Process.devices


def use_devices(devices: Devices | None) -> None:
    """Let every node of this process use these devices from now on; None goes back to none."""
    _Process.devices = devices
