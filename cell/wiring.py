"""What no single node can see: devices that share a port, and a cell that would start by itself on real hardware."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cell.config import NodeConfig, Origin
from cell.plugins import DRIVERS, LINKS, is_simulated, nearest, registered

SHARED: Final = frozenset({"encoder", "safety"})
"""Roles that one I/O block has at once."""

DEFAULTS: Final = {"unit": 1, "baudrate": 115200}
"""Of ``cell.parameters.Device``, where a file sets none."""


@dataclass(frozen=True, slots=True)
class _Device:
    node: NodeConfig
    role: str
    settings: Mapping[str, Any]

    def origin(self, key: str) -> Origin:
        written = f"{self.role}.{key}"
        return self.node.origin(written if written in self.node.origins else f"{self.role}.port")

    @property
    def name(self) -> str:
        return f"{self.node.name}.{self.role}"


def check_wiring(nodes: Iterable[NodeConfig]) -> None:
    """See that the devices of these nodes can work together.

    Raises:
        InputError: unknown driver, a port of no known form, two devices at one port and unit, one port at two
            speeds, or autostart with a real port.
    """
    nodes = tuple(nodes)
    devices = [device for node in nodes for device in _devices(node)]
    for device in devices:
        _check_device(device)
    for index, device in enumerate(devices):
        for other in devices[:index]:
            _check_pair(other, device)
    for node in nodes:
        if node.values.get("autostart") is True:
            real = next((device for device in devices if not is_simulated(str(device.settings["port"]))), None)
            if real is not None:
                message = f"is refused with the real port {real.settings['port']} of {real.name}: an operator starts it"
                raise node.origin("autostart").error(f"autostart {message}")


def _devices(node: NodeConfig) -> Iterator[_Device]:
    """Every section of a node that names a driver and a port."""
    for key in node.values:
        role, dot, name = key.partition(".")
        if dot and name == "port" and f"{role}.model" in node.values:
            found = {
                key.removeprefix(f"{role}."): value for key, value in node.values.items() if key.startswith(f"{role}.")
            }
            yield _Device(node, role, {**DEFAULTS, **found})


def _check_device(device: _Device) -> None:
    model, port = str(device.settings["model"]), str(device.settings["port"])
    drivers, links = registered(DRIVERS), registered(LINKS)
    if model not in drivers:
        raise device.origin("model").error(f"unknown driver {model!r}{nearest(model, drivers)}")
    scheme, colon, name = port.partition(":")
    if port.startswith("/"):
        return
    if not (colon and name):
        raise device.origin("port").error(f"must be a path such as /dev/ttyUSB0, or SCHEME:NAME, not {port!r}")
    if scheme not in links:
        raise device.origin("port").error(f"unknown kind of link {scheme!r}{nearest(scheme, links)}")


def _check_pair(first: _Device, second: _Device) -> None:
    if first.settings["port"] != second.settings["port"]:
        return
    one, two = first.settings, second.settings
    if one["baudrate"] != two["baudrate"]:
        message = f"the port {one['port']} already runs at {one['baudrate']} baud for {first.name}"
        raise second.origin("baudrate").error(message)
    if one["unit"] != two["unit"]:
        return
    if one == two and first.role != second.role and {first.role, second.role} == SHARED:
        return
    raise second.origin("port").error(f"unit {two['unit']} on {two['port']} is already {first.name}")
