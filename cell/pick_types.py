"""What the pick sequence is told, what it answers, and its settings. Lengths in m, times in s, cell frame."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from cell.safety import Permission
from cell.trajectory import Trajectory


class Phase(enum.Enum):
    """Where a pick stands. RETREAT: up and away from a part that is not taken."""

    IDLE = "idle"
    APPROACH = "approach"
    GRIP = "grip"
    VERIFY = "verify"
    CARRY = "carry"
    PLACE = "place"
    RETREAT = "retreat"


class GoalState(enum.Enum):
    """Of the arm's newest goal; NONE before the first."""

    NONE = "none"
    PENDING = "pending"
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    ABORTED = "aborted"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class GripRecipe:
    """How a part's type wants to be gripped; None: as the sequence's settings have it.

    Attributes:
        type_name: of the part type, empty where none fits.
        force_n: of the fingers.
        grip_width_m: what fingers find between them; None: the measured short side.
        width_tolerance_m: of that.
        hold_pressure_pa: absolute, the vacuum that a cup needs to hold it.
    """

    type_name: str = ""
    force_n: float | None = None
    grip_width_m: float | None = None
    width_tolerance_m: float | None = None
    hold_pressure_pa: float | None = None


@dataclass(frozen=True, slots=True)
class PickJob:
    """A part to be picked: belt coordinates, angle of its long side, long and short side, and the bin for it."""

    part_id: int
    belt_x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    bin: str
    recipe: GripRecipe = GripRecipe()

    @property
    def grip_width_m(self) -> float:
        """What fingers have to find between them."""
        return self.width_m if self.recipe.grip_width_m is None else self.recipe.grip_width_m


@dataclass(frozen=True, slots=True)
class GripperView:
    """The newest status, as ``cell.drivers.interfaces.GripperStatus``; ``requested_width_m`` is the device's echo,
    None where it has none.

    Of a suction cup (``pressure_pa``, absolute, is None for fingers): widths are 0 while it is to hold and 1 while it
    is to let go, ``moving`` while it regulates, ``object_detected`` while the vacuum is deep enough, ``at_request``
    when it has given a grip up or lost the part, or is back at the open air.
    """

    width_m: float
    moving: bool
    object_detected: bool
    at_request: bool
    stamp_s: float
    requested_width_m: float | None = None
    current_a: float = 0.0
    pressure_pa: float | None = None


@dataclass(frozen=True, slots=True)
class ArmView:
    """What became of the goal with that number, and the newest joint positions and speeds (None before the first)."""

    goal_number: int = 0
    goal_state: GoalState = GoalState.NONE
    reason: str = ""
    joints_rad: tuple[float, float, float, float] | None = None
    rates_radps: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    stamp_s: float | None = None


@dataclass(frozen=True, slots=True)
class BeltView:
    """Encoder travel and speed at ``stamp_s``."""

    travel_m: float
    speed_mps: float
    stamp_s: float


@dataclass(frozen=True, slots=True)
class SequenceInputs:
    """Everything one step looks at. ``picked_durable``: the ledger has acknowledged the mark of the part in the hand.

    ``gripper`` and ``belt`` are None before their first status.
    """

    gripper: GripperView | None
    arm: ArmView
    belt: BeltView | None
    permission: Permission
    permission_reason: str = ""
    picked_durable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ArmGoal:
    """A new motion; it replaces the one under way. ``number`` comes back in ``ArmView.goal_number``."""

    number: int
    trajectory: Trajectory


@dataclass(frozen=True, slots=True)
class GripperRequest:
    """Opening, speed and force to command."""

    width_m: float
    speed_mps: float
    force_n: float


@dataclass(frozen=True, slots=True)
class SuctionRequest:
    """Hold, at an absolute pressure of at most this much, or let go."""

    hold: bool
    hold_pressure_pa: float

    @property
    def width_m(self) -> float:
        """As the hand echoes it: 0 to hold, 1 to let go."""
        return 0.0 if self.hold else 1.0


@dataclass(frozen=True, slots=True)
class PickedMark:
    """The part is in the hand: the ledger is to say so, durably, before it is placed.

    ``grip_width_m`` or ``pressure_pa`` (absolute) is what proved it, with the motor's current where fingers hold it;
    ``double``: a second part came along; ``tries``: grips that it took, from 1.
    """

    part_id: int
    grip_width_m: float | None
    pressure_pa: float | None = None
    double: bool = False
    current_a: float | None = None
    tries: int = 1


@dataclass(frozen=True, slots=True)
class PickOutcome:
    """How a pick ended.

    Attributes:
        word: a fate (``sorted``, ``missed``, ``dropped``, ``rejected``, ``unknown``), or ``retry``: the part lies
            where it was.
        bin: where it lies, for sorted and rejected.
        grip_width_m: what the fingers held; None where they never held anything.
        fault: the cell itself failed, an operator has to look (Hold).
        cause: of a fault, a name of ``cell.causes.CONDITIONS``.
    """

    part_id: int
    word: str
    bin: str
    reason: str
    grip_width_m: float | None
    fault: bool
    cause: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceOutputs:
    """What is to be done after one step, each part at most once; ``arm_cancel`` and ``arm_goal`` never come
    together."""

    phase: Phase
    arm_goal: ArmGoal | None = None
    arm_cancel: bool = False
    gripper: GripperRequest | SuctionRequest | None = None
    mark_picked: PickedMark | None = None
    outcome: PickOutcome | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class CupSettings:
    """A suction cup in place of the fingers. Pressures are absolute, Pa; defaults: a Robotiq EPick.

    Attributes:
        hold_pressure_pa: a grip counts from here on down, where the part's type does not say otherwise.
        keep_pressure_pa: asked for instead while a part is carried by a cup that leaks.
        sealed_pressure_pa: from here on down a cup that does not come to hold is on a part, and leaks.
        swing_pa: above what it holds at, before the pump has taken up again.
        lost_pressure_pa: from here on up nothing is on the cup.
        early_s: sucks this long before it is down; grip_s: longest time from then until the part is held.
        slow_share: of the speed, for the way to the bin with a cup that leaks.
    """

    hold_pressure_pa: float = 60_000.0
    keep_pressure_pa: float = 80_000.0
    sealed_pressure_pa: float = 91_000.0
    swing_pa: float = 3_000.0
    lost_pressure_pa: float = 94_000.0
    early_s: float = 0.05
    grip_s: float = 0.35
    slow_share: float = 0.4


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """Times, widths and bins. Defaults: the acceptance cell with a Robotiq 2F-85.

    Attributes:
        bins_m: (x, y, z) of the tool over each bin.
        reject_bin: for parts without a judgement; what lies there is rejected, not sorted.
        stroke_m, gripper_speed_mps: of the 2F-85 (85 mm, up to 150 mm/s); ``gripper_force_n``: what it is asked for.
        gripper_delay_s: from a command until the status that answers it, beyond the fingers' own time.
        clearance_m, least_clearance_m: wider than the part by this much, asked for and needed at least before the
            descent.
        squeeze_m: the fingers are told to close to this much less than the part.
        width_tolerance_m: of a grip, against the part's measured short side; less than the clearance, or a second part
            between the fingers would not show.
        release_m, freed_m: opened by this much over the bin; the part is free after that much.
        grip_current_a: motor current that fingers need on a part for a grip to count; 0: nobody looks at it.
        regrips: so often a grip that took nothing is tried once more while the part is within reach.
        cup: how a suction cup holds; None: the hand has two fingers.
        slip_m: a held part whose grip closes by more is lost.
        echo_m: to which the device's echo of a requested width is exact (resolution of a 2F-85: 0.33 mm).
        lead_s: a new motion begins this long after it is planned: the way of a goal to the arm.
        check_s: before the descent, the fingers are looked at this long.
        settle_s: after arrival, before the fingers close.
        verify_s: a grip counts once a status this much later still says so.
        grip_s, release_s: longest time to close on a part, to open over the bin.
        accept_s: longest time until the arm has taken a motion.
        begin_s: longest wait for an arm at rest.
        arm_late_s: after a motion's end, until the arm counts as lost.
        belt_age_s, gripper_age_s: older statuses are no longer believed.
        held_age_s: of the gripper's, while it holds a part: after two late or corrupt replies within half a second the
            line is not asked again before a late one could come no more. A hand that is lost is noticed by its driver
            long before.
        replan_s, replan_m: not more often than this; when the part will be off its planned place by this much.
        give_up_m: in the descent, the part is off by so much that the fingers could hit it.
        stray_m: the tool is this far from where it was told to be.
    """

    bins_m: dict[str, tuple[float, float, float]] = field(
        default_factory=lambda: {"defect": (0.60, 0.34, 0.10), "reject": (0.60, -0.34, 0.10)}
    )
    reject_bin: str = "reject"
    stroke_m: float = 0.085
    gripper_speed_mps: float = 0.15
    gripper_force_n: float = 60.0
    gripper_delay_s: float = 0.10
    clearance_m: float = 0.012
    least_clearance_m: float = 0.006
    squeeze_m: float = 0.012
    width_tolerance_m: float = 0.007
    release_m: float = 0.015
    freed_m: float = 0.004
    grip_current_a: float = 0.0
    regrips: int = 1
    cup: CupSettings | None = None
    slip_m: float = 0.004
    echo_m: float = 0.0015
    lead_s: float = 0.02
    check_s: float = 0.03
    settle_s: float = 0.01
    verify_s: float = 0.015
    grip_s: float = 0.55
    release_s: float = 1.5
    accept_s: float = 0.15
    begin_s: float = 1.0
    arm_late_s: float = 0.5
    belt_age_s: float = 0.2
    gripper_age_s: float = 0.3
    held_age_s: float = 0.6
    replan_s: float = 0.04
    replan_m: float = 0.002
    give_up_m: float = 0.006
    stray_m: float = 0.010
