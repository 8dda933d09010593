"""Every installed driver as commissioning sees it: its roles, its options with their ranges, its guide.

Nothing of it is written down twice. Roles follow from what a driver's class can do, options from what it asks for when
it is made; to that end it is made on a line that nobody polls, so that no byte is sent.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, cast

from cell.drivers.bus import Bus
from cell.drivers.guide import Guide
from cell.drivers.host import HostBus
from cell.drivers.interfaces import (
    Arm,
    Conveyor,
    Device,
    Encoder,
    Gripper,
    Meter,
    PartSensor,
    SafetyInputs,
    StackLight,
    Vacuum,
)
from cell.drivers.links import TCP_SCHEME
from cell.drivers.registry import DRIVERS, Driver, check_link, installed, line_of
from cell.drivers.spec import DeviceSpec, Option, Options, OptionsAsked
from cell.drivers.stream import StreamBus
from perception.errors import InputError

ROLES: Final[Mapping[str, type]] = {
    "gripper": Gripper,
    "drive": Conveyor,
    "encoder": Encoder,
    "safety": SafetyInputs,
    "vacuum": Vacuum,
    "part_sensor": PartSensor,
    "stack_light": StackLight,
    "meter": Meter,
    "arm": Arm,
}
"""What a device can be in a cell, each by the interface that its driver has to serve."""

NEEDED: Final = ("gripper", "drive", "encoder", "safety")
"""What every two-finger cell has."""

NOWHERE: Final = "nowhere"
SHARED: Final = frozenset(dir(Device))


@dataclass(frozen=True, slots=True)
class Model:
    """One model of device.

    Attributes:
        name: in the config.
        roles: what it can be in a cell.
        options: that its driver reads, those of its line first.
        guide: what a person has to know; one with nothing but the name where the driver brings none.
        guided: it brings one.
        link: how it is reached: "Modbus RTU", "Modbus TCP", "serial lines", "a library".
    """

    name: str
    roles: tuple[str, ...]
    options: tuple[Option, ...]
    guide: Guide
    guided: bool
    link: str


class _Silence:
    """A port where nothing comes and nothing goes."""

    in_waiting = 0

    def read(self, size: int = 1) -> bytes:
        return b""

    def write(self, data: bytes) -> int | None:
        return len(data)

    def close(self) -> None:
        """Nothing is held."""


def models() -> dict[str, Model]:
    """Every installed model by its name, sorted. One whose driver cannot be imported is left out."""
    found = {}
    for name in sorted(installed(DRIVERS)):
        try:
            found[name] = model(name)
        except InputError:
            continue
    return found


def models_for(role: str) -> list[str]:
    """The models that can fill a role, sorted."""
    return [name for name, known in models().items() if role in known.roles]


@cache
def model(name: str) -> Model:
    """One model.

    Raises:
        InputError: there is none of that name, or its driver cannot be imported.
    """
    driver = _driver(name)
    guide = getattr(driver, "GUIDE", None)
    asked = OptionsAsked()
    given = guide if isinstance(guide, Guide) else None
    spec = DeviceSpec(name, name, NOWHERE, baudrate=given.baudrate if given is not None else 115200, options=asked)
    # A driver that cannot be made without its own options still shows those that it asked for.
    with contextlib.suppress(InputError):
        dry_run(spec)
    roles = getattr(driver, "ROLES", None) or [role for role, interface in ROLES.items() if _serves(driver, interface)]
    return Model(name, tuple(roles), tuple(asked.asked), given or Guide(title=name), given is not None, _link(driver))


def dry_run(spec: DeviceSpec) -> None:
    """Make the driver of a device on a line that does not exist.

    Raises:
        InputError: no such model, or an option that the line or the driver refuses, with its key.
    """
    driver = _driver(spec.model)
    if spec.port != NOWHERE:
        check_link(spec, driver)
    options = Options(spec)
    line = line_of(spec, options, driver)
    rest: Mapping[str, object] = options.rest()
    if isinstance(spec.options, OptionsAsked):
        noted = OptionsAsked(rest)
        noted.asked = spec.options.asked
        rest = noted
    bus: Bus | StreamBus | HostBus
    if getattr(driver, "BUS", Bus) is HostBus:
        bus = HostBus(spec.port, lambda: 0.0)
    elif getattr(driver, "BUS", Bus) is StreamBus:
        bus = StreamBus(spec.port, _Silence, lambda: 0.0, line.baudrate)
    else:
        bus = Bus(spec.port, _Silence, lambda: 0.0, line.baudrate, bits_per_character=line.bits_per_character)
    cast(Driver, driver)(dataclasses.replace(spec, options=rest), bus)


def _driver(name: str) -> Callable[..., object]:
    drivers = installed(DRIVERS)
    if name not in drivers:
        raise InputError(f"no driver for model '{name}' (there are: {', '.join(sorted(drivers))})", key=name)
    try:
        return cast("Callable[..., object]", drivers[name]())
    except (ImportError, AttributeError) as error:
        raise InputError(f"the driver cannot be imported: {error}", key=name) from error


def _link(driver: object) -> str:
    if getattr(driver, "BUS", Bus) is StreamBus:
        return "serial lines"
    if getattr(driver, "BUS", Bus) is HostBus:
        return "a library"
    return "Modbus TCP" if getattr(driver, "LINK", "") == TCP_SCHEME else "Modbus RTU"


def _serves(driver: object, interface: type) -> bool:
    """A class has everything of an interface that not every device has."""
    own = {name for name in vars(interface) if not name.startswith("_")} - SHARED
    return bool(own) and all(hasattr(driver, name) for name in own)
