"""The fifteen faults, in the order of the fault matrix: their names, and their parameters with units and ranges."""

from __future__ import annotations

import enum
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

Seconds: TypeAlias = Annotated[float, Strict(), Field(ge=0.0, le=86_400.0, allow_inf_nan=False)]
Duration: TypeAlias = Annotated[float, Strict(), Field(gt=0.0, le=86_400.0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Strict(), Field(gt=0.0, le=1.0)]
Line: TypeAlias = Literal["gripper", "drive", "cabinet"]
NodeName: TypeAlias = Literal["detector", "tracker", "policy", "picker", "gripper", "conveyor"]


class Phase(str, enum.Enum):
    """Where the arm stands with a part, by what belt, arm and fingers do.

    IDLE: the belt runs, the arm rests with an empty hand. APPROACH: it moves with an empty hand. GRIP: the fingers
    close on a part, or hold it where it lay. CARRY: the part is off the belt and on its way. PLACE: over its bin.
    """

    IDLE = "idle"
    APPROACH = "approach"
    GRIP = "grip"
    CARRY = "carry"
    PLACE = "place"


class When(BaseModel):
    """Either ``at_s`` after the run began, or ``after_s`` into a phase of the ``pick``-th pick (idle: before it)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at_s: Seconds | None = None
    phase: Phase | None = None
    pick: Annotated[int, Strict(), Field(ge=1)] = 1
    after_s: Seconds = 0.0

    @model_validator(mode="after")
    def _one(self) -> When:
        if (self.at_s is None) == (self.phase is None):
            raise ValueError("needs either at_s or phase")
        return self


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    when: When


class _Lasting(_Fault):
    for_s: Duration = 1.0


class SerialUnplug(_Lasting):
    """The plug of a line is pulled, and put back."""

    what: Literal["serial_unplug"]
    line: Line = "gripper"


class CrcNoise(_Lasting):
    """Replies on a line come with a flipped bit, so many of them, evenly spread."""

    what: Literal["crc_noise"]
    line: Line = "gripper"
    share: Share = 0.2


class SlowReply(_Lasting):
    """Replies on a line come late, when the master has given them up; so many of them, evenly spread."""

    what: Literal["slow_reply"]
    line: Line = "gripper"
    share: Share = 0.2
    late_s: Annotated[float, Strict(), Field(ge=0.01, le=2.0)] = 0.12


class StaleImage(_Lasting):
    """The camera hangs: the same picture again and again, with its old stamp."""

    what: Literal["stale_image"]


class PartDropped(_Fault):
    """What the gripper holds slips out."""

    what: Literal["part_dropped"]


class Jam(_Lasting):
    """Something blocks the belt: the drive turns against it."""

    what: Literal["jam"]


class DoublePick(_Fault):
    """A second part sticks to the next one that is gripped, and comes along."""

    what: Literal["double_pick"]
    wider_m: Annotated[float, Strict(), Field(ge=0.001, le=0.05)] = 0.010


class BeltSlip(_Lasting):
    """The encoder's wheel slips: it counts less than the belt travels."""

    what: Literal["belt_slip"]
    share: Share = 0.3


class EncoderRollover(_Fault):
    """The encoder's 32-bit counter turns over."""

    what: Literal["encoder_rollover"]


class VacuumLeak(_Lasting):
    """The cup leaks: the pressure that can be reached sinks."""

    what: Literal["vacuum_leak"]
    share: Share = 0.6


class EmergencyStop(_Lasting):
    """The button is pressed, and released."""

    what: Literal["emergency_stop"]


class NodeCrash(_Fault):
    """A node of the controller dies without a word."""

    what: Literal["node_crash"]
    node: NodeName = "detector"


class DiskFull(_Lasting):
    """The disk of the ledger is nearly full, and takes nothing more half way through."""

    what: Literal["disk_full"]


class ClockJump(_Fault):
    """The computer's clock is set by so much; monotonic time goes on."""

    what: Literal["clock_jump"]
    by_s: Annotated[float, Strict(), Field(allow_inf_nan=False, ge=-1e9, le=1e9)] = 3600.0


class PowerLoss(_Fault):
    """The controller is gone at once, as by kill -9."""

    what: Literal["power_loss"]


Fault: TypeAlias = Annotated[
    SerialUnplug
    | CrcNoise
    | SlowReply
    | StaleImage
    | PartDropped
    | Jam
    | DoublePick
    | BeltSlip
    | EncoderRollover
    | VacuumLeak
    | EmergencyStop
    | NodeCrash
    | DiskFull
    | ClockJump
    | PowerLoss,
    Field(discriminator="what"),
]

KINDS: dict[str, type[_Fault]] = {
    "serial_unplug": SerialUnplug,
    "crc_noise": CrcNoise,
    "slow_reply": SlowReply,
    "stale_image": StaleImage,
    "part_dropped": PartDropped,
    "jam": Jam,
    "double_pick": DoublePick,
    "belt_slip": BeltSlip,
    "encoder_rollover": EncoderRollover,
    "vacuum_leak": VacuumLeak,
    "emergency_stop": EmergencyStop,
    "node_crash": NodeCrash,
    "disk_full": DiskFull,
    "clock_jump": ClockJump,
    "power_loss": PowerLoss,
}
"""The faults by their names, in the order of the matrix."""

CONTROLLER = frozenset({"node_crash", "disk_full", "clock_jump", "power_loss"})
"""They happen to the controller, where it lives; all others to the hardware."""
