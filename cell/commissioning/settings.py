"""What is wrong with a cell's settings beyond what each node sees of its own: devices against what they can do, nodes
against each other, models and thresholds that have to exist."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cell.config import EVERY_NODE, NodeConfig
from cell.drivers import catalogue
from cell.drivers.spec import DeviceSpec
from cell.kinematics import DeltaGeometry, reachable
from cell.plugins import nearest
from cell.wiring import DEFAULTS
from perception.calibration import CameraModel
from perception.errors import InputError
from perception.registry import find_model, is_known, model_ids

ASKED_OF: Final[tuple[tuple[str, str, str], ...]] = (
    ("picker", "force_n", "gripper.device"),
    ("conveyor", "speed_mps", "conveyor.drive"),
    ("supervisor", "speed_mps", "conveyor.drive"),
)
"""A node's parameter, and the device that has to be able to do it."""

ROLE_OF: Final[Mapping[str, str]] = {
    "gripper.device": "gripper",
    "conveyor.drive": "drive",
    "conveyor.encoder": "encoder",
    "supervisor.safety": "safety",
    "arm.device": "arm",
}

ALSO: Final[Mapping[str, str]] = {"gripper.device": "vacuum"}
"""What a device at a place may be instead."""

MODEL_USERS: Final = ("detector", "tracker", "status")
AGREED: Final = ("px_per_m", "width_px", "height_px", "model", "overkill", "window_m", "speed_mps")
"""Parameters of several nodes that mean one thing, so that a difference is a mistake."""

UNIT: Final = {"force_n": "N", "speed_mps": "m/s", "width_m": "m"}


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """A device of a config: its node and role, its spec, and what its errors point at."""

    node: NodeConfig
    role: str
    spec: DeviceSpec

    @property
    def name(self) -> str:
        """``gripper.device``."""
        return f"{self.node.name}.{self.role}"

    def error(self, message: str, *fields: str) -> InputError:
        """An error at the first of these fields that is written."""
        for name in fields:
            key = f"{self.role}.{name}"
            if key in self.node.origins:
                return self.node.origin(key).error(message)
        return self.node.origin(f"{self.role}.port").error(message)


def devices_of(configs: Iterable[NodeConfig]) -> list[DeviceConfig]:
    """Every section that names a driver and a port."""
    found = []
    for node in configs:
        for key in node.values:
            role, dot, name = key.rpartition(".")
            if not dot or name != "port" or f"{role}.model" not in node.values:
                continue
            below = {k.removeprefix(f"{role}."): v for k, v in node.values.items() if k.startswith(f"{role}.")}
            options = {k.removeprefix("options."): v for k, v in below.items() if k.startswith("options.")}
            spec = DeviceSpec(
                name=f"{node.name}.{role}",
                model=str(below["model"]),
                port=str(below["port"]),
                unit=int(below.get("unit", DEFAULTS["unit"])),
                baudrate=int(below.get("baudrate", DEFAULTS["baudrate"])),
                options=options,
                key=f"{node.name}.{role}",
            )
            found.append(DeviceConfig(node, role, spec))
    return found


def faults(configs: Sequence[NodeConfig]) -> Iterator[InputError]:
    """Everything that is wrong, each with the file, line and key of the value at fault."""
    devices = devices_of(configs)
    for device in devices:
        yield from _device_faults(device)
    yield from _one_device_twice(devices)
    yield from _beyond_devices(configs, devices)
    yield from _hand(configs, devices)
    yield from _models(configs)
    yield from _apart(configs)
    yield from _geometry(configs)


def warnings(configs: Sequence[NodeConfig]) -> Iterator[InputError]:
    """What a config may hold that is not true of this machine yet: ports and cameras that are not there."""
    for device in devices_of(configs):
        port = device.spec.port
        if port.startswith("/") and not os.path.exists(port):  # noqa: PTH110 (a string, as it is written)
            yield device.error(f"there is no {port} on this machine ({_serial_ports()})", "port")
        stable = stable_name(port)
        if stable is not None:
            yield device.error(f"{port} may be another adapter after a restart: {stable}", "port")
    for node in configs:
        source = str(node.values.get("source", ""))
        if node.name != "camera" or not source:
            continue
        path = f"/dev/video{source}" if source.isdigit() else source
        if "://" not in path and not os.path.exists(path):  # noqa: PTH110
            yield node.origin("source").error(f"there is no {path} on this machine")


def stable_name(port: str) -> str | None:
    """What to write in place of a port whose name the system gives anew at every start; None: its name stays."""
    if re.fullmatch(r"/dev/tty(USB|ACM)\d+", port) is None:
        return None
    folder = "/dev/serial/by-id"
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):  # noqa: PTH208
            if os.path.realpath(f"{folder}/{name}") == os.path.realpath(port):
                return f"write {folder}/{name}"
    return f"write its name below {folder}"


def _serial_ports() -> str:
    folder = "/dev/serial/by-id"
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(folder))  # noqa: PTH208
    return f"{folder} has {', '.join(names)}" if names else f"{folder} is empty: no USB serial adapter is plugged in"


def _device_faults(device: DeviceConfig) -> Iterator[InputError]:
    spec = device.spec
    known = catalogue.models()
    if spec.model not in known:
        yield device.error(f"unknown driver {spec.model!r}{nearest(spec.model, known)}", "model")
        return
    model = known[spec.model]
    role = ROLE_OF.get(device.name)
    if role is not None and role not in model.roles and ALSO.get(device.name) not in model.roles:
        able = ", ".join(catalogue.models_for(role)) or "none"
        yield device.error(f"{spec.model} is no {role}: it can be {', '.join(model.roles)} ({role}: {able})", "model")
        return
    options = {option.name for option in model.options}
    for name in spec.options:
        if name not in options:
            message = f"{spec.model} has no option {name!r}{nearest(name, options)}"
            yield device.error(message, f"options.{name}")
            return
    try:
        catalogue.dry_run(spec)
    except InputError as error:
        yield device.error(
            re.sub(r"^device '[^']*': ", "", error.message), (error.key or "").removeprefix(f"{spec.key}.")
        )
        return
    for name, message in model.guide.beyond(spec):
        yield device.error(message, f"options.{name}", *(f"options.{other}" for other in spec.options), "model")


def _one_device_twice(devices: Sequence[DeviceConfig]) -> Iterator[InputError]:
    """Two names of one port: a link below /dev/serial/by-id and the device that it leads to."""
    for index, device in enumerate(devices):
        for other in devices[:index]:
            one, two = other.spec, device.spec
            if one.port == two.port or not (one.port.startswith("/") and two.port.startswith("/")):
                continue
            if os.path.realpath(one.port) == os.path.realpath(two.port):
                yield device.error(
                    f"{two.port} and {one.port} of {other.name} are one port: write it the same way", "port"
                )


def _beyond_devices(configs: Sequence[NodeConfig], devices: Sequence[DeviceConfig]) -> Iterator[InputError]:
    by_name = {device.name: device for device in devices}
    known = catalogue.models()
    for name, parameter, device_name in ASKED_OF:
        node = next((config for config in configs if config.name == name), None)
        device = by_name.get(device_name)
        if node is None or device is None or device.spec.model not in known:
            continue
        value, limits = getattr(node.parameters, parameter, None), known[device.spec.model].guide.ranges(device.spec)
        if parameter not in limits or not isinstance(value, int | float):
            continue
        low, high = limits[parameter]
        if not low <= value <= high:
            unit = UNIT[parameter]
            message = (
                f"{value:g} {unit} is beyond what {device.spec.model} does as it is set: {low:g} to {high:g} {unit}"
            )
            origin = node.origin(parameter)
            yield (origin if origin.line is not None else device.node.origin(f"{device.role}.model")).error(message)


def _hand(configs: Sequence[NodeConfig], devices: Sequence[DeviceConfig]) -> Iterator[InputError]:
    """The picker knows what hand it has, and no part type asks more of it than it can do."""
    picker = next((config for config in configs if config.name == "picker"), None)
    device = next((one for one in devices if one.name == "gripper.device"), None)
    known = catalogue.models()
    if picker is None or device is None or device.spec.model not in known:
        return
    p: Any = picker.parameters
    model = known[device.spec.model]
    if (getattr(p, "hand", "fingers") == "cup") is not ("vacuum" in model.roles):
        needed = "cup" if "vacuum" in model.roles else "fingers"
        origin = picker.origin("hand")
        origin = origin if origin.line is not None else device.node.origin(f"{device.role}.model")
        yield origin.error(f"{device.spec.model} needs the picker's hand set to {needed}")
        return
    limits = model.guide.ranges(device.spec)
    for name, one in getattr(p, "part_types", {}).items():
        for parameter, (low, high) in limits.items():
            value = getattr(one, parameter, None)
            if parameter in ("force_n", "hold_pressure_pa") and value is not None and not low <= value <= high:
                message = f"{value:g} is beyond what {device.spec.model} does as it is set: {low:g} to {high:g}"
                yield picker.origin(f"part_types.{name}.{parameter}").error(message)


def _models(configs: Sequence[NodeConfig]) -> Iterator[InputError]:
    told: set[tuple[str, Any]] = set()
    for node in configs:
        if node.name not in MODEL_USERS:
            continue
        name, overkill = getattr(node.parameters, "model", None), getattr(node.parameters, "overkill", None)
        origin = node.origin("model")
        place = (str(name), origin.line)
        if not isinstance(name, str) or place in told:
            continue
        told.add(place)
        try:
            card = find_model(name).card
        except InputError as error:
            near = "" if is_known(name) else nearest(name, model_ids())
            yield origin.error(f"{error.message if error.file is None else error}{near}")
            continue
        if isinstance(overkill, float):
            try:
                card.threshold(overkill)
            except InputError as error:
                yield node.origin("overkill").error(f"the model {name} has no threshold for it: {error.message}")


def _apart(configs: Sequence[NodeConfig]) -> Iterator[InputError]:
    """One thing that two nodes take differently."""
    for key in AGREED:
        knowing = [node for node in configs if hasattr(node.parameters, key)]
        for node in knowing[1:]:
            first, mine, others = knowing[0], getattr(node.parameters, key), getattr(knowing[0].parameters, key)
            if mine != others:
                # Where one node has its own, that is the odd one; /** is meant for all.
                origins = [origin for origin in (node.origin(key), first.origin(key)) if origin.line is not None]
                own = [origin for origin in origins if not str(origin.key).startswith(EVERY_NODE)]
                origin = (own or origins or [node.origin(key)])[0]
                yield origin.error(
                    f"{node.name} has {_shown(mine)} and {first.name} {_shown(others)}: set it under /**"
                )
                break


def _geometry(configs: Sequence[NodeConfig]) -> Iterator[InputError]:
    """The arm reaches its window and its bins; the belt's places come in their order."""
    by_name = {config.name: config for config in configs}
    picker, tracker = by_name.get("picker"), by_name.get("tracker")
    if picker is None or not hasattr(picker.parameters, "geometry"):
        return
    p: Any = picker.parameters
    if p.belt_end_m <= p.window_m[1]:
        yield _at(picker, "belt_end_m", "window_m").error(
            f"the belt's end at {p.belt_end_m:g} m must lie behind the pick window, which ends at {p.window_m[1]:g} m"
        )
    if tracker is not None and getattr(tracker.parameters, "keep_m", p.belt_end_m) < p.belt_end_m:
        yield tracker.origin("keep_m").error(
            f"parts are forgotten before they pass the belt's end at {p.belt_end_m:g} m"
        )
    if p.grip_z_m >= p.travel_z_m:
        yield _at(picker, "travel_z_m", "grip_z_m").error(
            f"{p.travel_z_m:g} m must be above grip_z_m, {p.grip_z_m:g} m"
        )
    arm = DeltaGeometry(**{key: getattr(p.geometry, key) for key in type(p.geometry).model_fields})
    half_m = _belt_half_width_m(tracker)
    window = [(x_m, y_m) for x_m in p.window_m for y_m in (-half_m, 0.0, half_m)]
    places = {"window_m": window, "bins.defect": [p.bins.defect], "bins.reject": [p.bins.reject]}
    for key, points in places.items():
        whole = [(x_m, y_m, z_m) for x_m, y_m in points for z_m in (p.grip_z_m, p.travel_z_m)]
        for point, within in zip(whole, reachable(arm, whole), strict=True):
            if not within:
                words = ", ".join(f"{part:g}" for part in point)
                yield _at(picker, key, "geometry.base_height_m").error(
                    f"the arm does not reach ({words}) m with this geometry"
                )
                break


def _belt_half_width_m(tracker: NodeConfig | None) -> float:
    """How far from the middle the camera sees a part; its own half length stays outside."""
    if tracker is None:
        return 0.0
    t: Any = tracker.parameters
    try:
        camera = CameraModel.straight(t.px_per_m, width_px=t.width_px, height_px=t.height_px)
    except (AttributeError, TypeError, ZeroDivisionError):
        return 0.0
    return 0.8 * abs(camera.to_cell(0.0, 0.0)[1])


def _at(node: NodeConfig, *keys: str) -> Any:
    return node.origin(next((key for key in keys if key in node.origins), keys[0]))


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else repr(value)
