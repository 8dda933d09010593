"""What a node may ask of a device: one Protocol a capability, and every value with its age and quality.

SI units. A driver never blocks: commands are queued on the device's bus and idempotent (they state intent), a status is
the newest one that was read. A property that was never read is ``None``.
"""

from __future__ import annotations

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
