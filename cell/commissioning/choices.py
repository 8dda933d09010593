"""What a new cell is made of: a device for each role, and the few settings that nobody can guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from cell.commissioning.settings import ALSO, ROLE_OF, devices_of
from cell.drivers import catalogue
from cell.launching import configure, default_launch, load_launch
from cell.plugins import nearest
from perception.errors import InputError

ROLES: Final = catalogue.NEEDED
BLOCK: Final = ("encoder", "safety")
"""Roles that one I/O block usually has."""

PLACE_OF: Final = {role: place for place, role in ROLE_OF.items()}
"""``gripper`` -> ``gripper.device``: where a role stands in a params file."""


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """One device: ``port`` is a path or ``SCHEME:NAME``."""

    role: str
    model: str
    port: str
    unit: int
    baudrate: int


@dataclass(frozen=True, slots=True)
class Choices:
    """A new cell.

    Attributes:
        devices: one for each role, in the order of ``ROLES``.
        camera: number or path of a video device.
        rate_hz: of the camera.
        detector: the detector's model.
        overkill: share of good parts that may be rejected.
        policy: which part is picked next.
        belt_speed_mps: of the belt while it runs.
        simulated: the hardware is the simulator's.
    """

    devices: tuple[DeviceChoice, ...]
    camera: str = "0"
    rate_hz: float = 10.0
    detector: str = "sim"
    overkill: float = 0.05
    policy: str = "spt"
    belt_speed_mps: float = 0.2
    simulated: bool = False


@cache
def simulated_devices() -> dict[str, DeviceChoice]:
    """By role: what the simulated cell that comes with us has."""
    configs = configure(load_launch(default_launch()))
    found = {}
    for device in devices_of(configs):
        role = ROLE_OF[device.name]
        spec = device.spec
        found[role] = DeviceChoice(role, spec.model, spec.port, spec.unit, spec.baudrate)
    return found


def default_model(role: str) -> str:
    """The model that a role has where nobody says: that of the simulated cell, or the first that can be it.

    Raises:
        InputError: no installed driver can.
    """
    able = catalogue.models_for(role)
    usual = simulated_devices().get(role)
    if usual is not None and usual.model in able:
        return usual.model
    if not able:
        raise InputError(f"no installed driver can be the {role}", key=f"--{role}")
    return able[0]


def choose(
    role: str, model: str | None, port: str | None, unit: int | None, baudrate: int | None, *, simulated: bool
) -> DeviceChoice:
    """A device with what nobody has said filled in from its maker's settings.

    Raises:
        InputError: no such model, or it cannot be this, or there is no emulator of it.
    """
    name = model or default_model(role)
    known = catalogue.models()
    if name not in known:
        raise InputError(
            f"no driver for {name!r}{nearest(name, known)}; there are: {', '.join(known)}", key=f"--{role}"
        )
    if not {role, ALSO.get(PLACE_OF.get(role, ""))} & set(known[name].roles):
        able = ", ".join(catalogue.models_for(role))
        raise InputError(f"{name} cannot be the {role}; what can: {able}", key=f"--{role}")
    if simulated:
        usual = simulated_devices()[role]
        if name != usual.model:
            raise InputError(f"the simulator has no {name}, only {usual.model}", key=f"--{role}")
        return usual
    guide = known[name].guide
    place = "cabinet" if role in BLOCK else role
    return DeviceChoice(
        role,
        name,
        port or f"/dev/serial/by-id/usb-{place}",
        guide.unit if unit is None else unit,
        guide.baudrate if baudrate is None else baudrate,
    )


def distinct(devices: tuple[DeviceChoice, ...]) -> Iterator[tuple[DeviceChoice, tuple[str, ...]]]:
    """Each device once, with its roles: one block may be encoder and safety inputs."""
    seen: dict[tuple[str, str, int], list[str]] = {}
    first: dict[tuple[str, str, int], DeviceChoice] = {}
    for device in devices:
        place = (device.model, device.port, device.unit)
        first.setdefault(place, device)
        seen.setdefault(place, []).append(device.role)
    for place, device in first.items():
        yield device, tuple(seen[place])
