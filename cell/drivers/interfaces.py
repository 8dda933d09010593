"""What a node may ask of a device: one Protocol a capability, and every value with its age and quality.

SI units. A driver never blocks: commands are queued on the device's bus and idempotent (they state intent), a status is
the newest one that was read. A property that was never read is ``None``.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A value with its stamp on the bus's monotonic clock (s, time of the reply); ``good`` is False once the device has
    stopped answering, the value is then the last one known."""

    value: T
    stamp_s: float
    good: bool


class Device(Protocol):
    """What every driver has.

    Attributes:
        name: the device's key in the config, for example ``gripper``.
        connected: it answered its last cyclic request.
        error: one line on why not, or on the device's own fault; None when well.
    """

    name: str

    @property
    def connected(self) -> bool: ...

    @property
    def error(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class GripperStatus:
    """``object_detected``: fingers stopped on something while closing. ``at_request``: requested position reached (for
    a 2F-85 that also means a part that was held has been lost). ``width_m``: opening between the fingers."""

    activated: bool
    moving: bool
    object_detected: bool
    at_request: bool
    width_m: float
    requested_width_m: float
    current_a: float
    fault: int


@dataclass(frozen=True, slots=True)
class GripperCommand:
    """What was really commanded, after clamping to the device's range and resolution."""

    width_m: float
    speed_mps: float
    force_n: float


class Gripper(Device, Protocol):
    """A two-finger gripper."""

    stroke_m: float

    @property
    def status(self) -> Reading[GripperStatus] | None: ...

    def activate(self) -> None: ...

    def move(self, width_m: float, *, speed_mps: float, force_n: float) -> GripperCommand: ...


@dataclass(frozen=True, slots=True)
class ConveyorStatus:
    """``running``: the drive's output is on. ``at_speed``: the ramp has ended. ``fault``: the trip code, 0 = none."""

    running: bool
    at_speed: bool
    speed_mps: float
    current_a: float
    fault: int


class Conveyor(Device, Protocol):
    """A belt drive."""

    @property
    def status(self) -> Reading[ConveyorStatus] | None: ...

    def run(self, speed_mps: float) -> float:
        """Ask for a speed along the belt's travel; returns the speed commanded after clamping and rounding."""
        ...

    def stop(self) -> None: ...

    def reset_fault(self) -> None: ...


@dataclass(frozen=True, slots=True)
class EncoderStatus:
    """Belt travel as the device counts it, unrolled, m; the travel latched by the last camera strobe; strobes."""

    travel_m: float
    strobe_travel_m: float
    strobe_count: int


class Encoder(Device, Protocol):
    """The belt's encoder."""

    @property
    def encoder(self) -> Reading[EncoderStatus] | None: ...


@dataclass(frozen=True, slots=True)
class SafetyStatus:
    """Monitoring only: the safety PLC stops motion. True = in order (contact closed, curtain clear)."""

    estop_ok: bool
    curtain_ok: bool


class SafetyInputs(Device, Protocol):
    """Emergency stop and light curtain as the cell sees them."""

    @property
    def safety(self) -> Reading[SafetyStatus] | None: ...


@dataclass(frozen=True, slots=True)
class PartSensorStatus:
    """``present``: something stands before the sensor."""

    present: bool


class PartSensor(Device, Protocol):
    """A sensor that sees a part at one place, for example at the end of the belt."""

    @property
    def part(self) -> Reading[PartSensorStatus] | None: ...


@dataclass(frozen=True, slots=True)
class Lights:
    """Of a stack light: which lamps are lit, and whether it sounds."""

    red: bool = False
    amber: bool = False
    green: bool = False
    blue: bool = False
    buzzer: bool = False


class StackLight(Device, Protocol):
    """A signal tower. It shows the newest ``show``, which returns without the lamps that the device does not have."""

    @property
    def lights(self) -> Reading[Lights] | None: ...

    def show(self, lights: Lights) -> Lights: ...


@dataclass(frozen=True, slots=True)
class VacuumStatus:
    """Of a suction gripper. Pressures are absolute, Pa: 101325 is the open air, 0 a perfect vacuum.

    ``regulating``: the pump works or the valve vents, nothing is decided yet. ``object_detected``: the pressure is low
    enough to hold (``hold_pressure_pa`` of the grip or below). ``no_object``: the device gave the grip up, or lost what
    it held. Both False while nobody knows. ``gripping``: the newest command that the device has taken is a grip.
    ``fault``: the device's code, 0 = none.
    """

    activated: bool
    gripping: bool
    regulating: bool
    object_detected: bool
    no_object: bool
    pressure_pa: float
    fault: int


@dataclass(frozen=True, slots=True)
class VacuumCommand:
    """What was really commanded, after clamping to the device's range and resolution; pressures absolute, Pa."""

    hold_pressure_pa: float
    stop_pressure_pa: float
    timeout_s: float


class Vacuum(Device, Protocol):
    """A suction gripper.

    Two absolute pressures make a grip: the pump stops at ``stop_pressure_pa`` (the deeper one, "maximum vacuum") and
    works again above ``hold_pressure_pa`` (the shallower one, "minimum vacuum"); at or below it a part is held.
    """

    @property
    def status(self) -> Reading[VacuumStatus] | None: ...

    def activate(self) -> None:
        """Make it ready; one that is ready stays as it is and keeps what it holds. Clears a fault."""
        ...

    def grip(self, *, hold_pressure_pa: float, stop_pressure_pa: float, timeout_s: float) -> VacuumCommand:
        """Suck until a part is held; without one the device gives up after ``timeout_s``."""
        ...

    def release(self) -> None:
        """Vent, so that the part comes off."""
        ...


@dataclass(frozen=True, slots=True)
class MeterStatus:
    """Electrical quantities of what the meter stands before. ``energy_j``: drawn since it was made, never reset by us.

    ``power_w`` is negative while energy flows back. Three phases: power, energy and current are their sum,
    ``voltage_v`` is the mean from phase to neutral.
    """

    power_w: float
    energy_j: float
    voltage_v: float
    current_a: float


class Meter(Device, Protocol):
    """An energy meter."""

    @property
    def measured(self) -> Reading[MeterStatus] | None: ...


@dataclass(frozen=True, slots=True)
class ArmStatus:
    """``ready``: powered, brakes released, takes motions. ``moving``: the joints move. ``stopped``: by a safety
    function (protective or emergency stop), a person has to release it. ``fault``: the device's code, 0 = none."""

    joints_rad: tuple[float, ...]
    rates_radps: tuple[float, ...]
    ready: bool
    moving: bool
    stopped: bool
    fault: int


@dataclass(frozen=True, slots=True)
class ArmPoint:
    """Where the joints are to be, and how fast, ``after_s`` since the start of the motion."""

    after_s: float
    joints_rad: tuple[float, ...]
    rates_radps: tuple[float, ...]


class MotionState(enum.Enum):
    """What became of a motion."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Motion:
    """The newest motion by the number that ``follow`` gave it; ``reason``: why it was refused, stopped or failed."""

    number: int
    state: MotionState
    reason: str = ""


class Arm(Device, Protocol):
    """An arm that follows joint trajectories.

    Attributes:
        joints: their names, in the order of all tuples.
    """

    joints: tuple[str, ...]

    @property
    def status(self) -> Reading[ArmStatus] | None: ...

    @property
    def motion(self) -> Motion | None: ...

    def follow(self, points: Sequence[ArmPoint], *, start_s: float) -> int:
        """A new motion in place of the running one, from ``start_s`` on the bus's clock; returns its number. It is
        refused, not bent, if it leaves the limits of the arm or begins elsewhere than the arm stands."""
        ...

    def stop(self) -> None:
        """Brake along the path as hard as the arm may; the motion ends as STOPPED."""
        ...
