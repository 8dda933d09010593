"""What may be set on each node of the cell: types, ranges, defaults and units, published by ``cell config schema``.

One model a node, its fields named like the node's ROS parameters (``bins.defect`` is the field ``defect`` of ``bins``).
A node of another package brings its own: a model ``PARAMETERS`` in the module that its entry point in the group
``cellwright.nodes`` names. Frames and units: ``perception.types``; all positions in the cell frame, metres.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, WithJsonSchema, model_validator

from policies.registry import POLICIES

Number: TypeAlias = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive: TypeAlias = Annotated[float, Strict(), Field(allow_inf_nan=False, gt=0.0)]
Switch: TypeAlias = Annotated[bool, Strict()]
Word: TypeAlias = Annotated[str, Field(min_length=1)]
Point: TypeAlias = tuple[Number, Number]
Overkill: TypeAlias = Annotated[
    float,
    Strict(),
    Field(ge=0.01, le=0.20, description="share of good parts that may be rejected; picks the threshold"),
]
Pixels: TypeAlias = Annotated[int, Strict(), Field(ge=16, le=8192)]
Rate: TypeAlias = Annotated[float, Strict(), Field(gt=0.0, le=1000.0)]


def _in_order(window_m: Point) -> Point:
    if window_m[0] >= window_m[1]:
        raise ValueError(f"the first x must lie upstream of the last, not {list(window_m)}")
    return window_m


Window: TypeAlias = Annotated[Point, AfterValidator(_in_order)]
"""First and last x at which the arm may pick."""


def _one_value(value: object) -> object:
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError("must be one value: true or false, a number or text")
    return value


Setting: TypeAlias = Annotated[
    Any, AfterValidator(_one_value), WithJsonSchema({"type": ["boolean", "integer", "number", "string"]})
]
"""A value whose meaning only a driver knows."""


class Section(BaseModel):
    """A group of parameters: unknown keys are refused, values are not changed after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeParameters(Section):
    """What every node has."""

    use_sim_time: Switch = Field(default=False, description="take the time from /clock")


class Device(Section):
    """A device: what it is and where its bytes go."""

    model: Word = Field(description="the driver, a name in the entry-point group cellwright.drivers")
    port: Word = Field(description="a path, best below /dev/serial/by-id, or SCHEME:NAME of a link (sim:gripper)")
    unit: Annotated[int, Strict(), Field(ge=1, le=247)] = Field(default=1, description="address on the Modbus")
    baudrate: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400] = Field(
        default=115200, description="of its line, bit/s; everybody on a port has the same"
    )
    options: dict[Word, Setting] = Field(default_factory=dict, description="of this model, see docs/drivers.md")


class Picture(NodeParameters):
    """The camera's picture and its scale on the belt."""

    px_per_m: Positive = Field(default=2000.0, description="image pixels per metre of belt")
    width_px: Pixels = Field(default=640, description="across the belt")
    height_px: Pixels = Field(default=480, description="along the belt's travel")


class CameraParameters(Picture):
    """A camera that OpenCV can open."""

    source: Word = Field(default="0", description="number or path of a video device, a folder of pictures, or a video")
    rate_hz: Rate = Field(default=10.0, description="pictures a second")


class DetectorParameters(NodeParameters):
    """The defect detector."""

    model: Word = Field(default="sim", description="a model's name or a path to its .onnx or .json")
    overkill: Overkill = 0.05
    threads: Annotated[int, Strict(), Field(ge=1, le=64)] = Field(default=2, description="threads of the inference")
    backend: Literal["onnxruntime", "openvino"] = Field(
        default="onnxruntime", description="what runs the network; openvino needs the extra of that name"
    )


class TrackerParameters(Picture):
    """Parts in belt coordinates, and their verdicts."""

    model: Word = Field(default="sim", description="the detector's model; its card holds the thresholds")
    overkill: Overkill = 0.05
    keep_m: Positive = Field(default=1.5, description="belt travel after which a part is forgotten")


class Bins(Section):
    """Where the bins stand, (x, y)."""

    defect: Point = Field(default=(0.60, 0.34), description="where defective parts go, (x, y), m")
    reject: Point = Field(default=(0.60, -0.34), description="where parts go that nobody could judge, (x, y), m")


def _known_policy(name: str) -> str:
    if name not in POLICIES:
        raise ValueError(f"there is no policy {name!r}; known are {', '.join(sorted(POLICIES))}")
    return name


class PolicyParameters(NodeParameters):
    """What leaves the belt, and what is picked next."""

    name: Annotated[Word, AfterValidator(_known_policy)] = Field(
        default="spt", description="a policy's name (dp, fifo, spt, ...)"
    )
    window_m: Window = Field(default=(0.35, 0.85), description="first and last x at which the arm picks")
    bins: Bins = Field(default_factory=Bins, description="where the bins stand")
    max_speed_mps: Positive = Field(default=1.5, description="of the tool, as the policy's time model takes it")
    max_accel_mps2: Positive = Field(default=15.0, description="of the tool, as the policy's time model takes it")
    grip_s: Positive = Field(default=0.6, description="from arrival over the part until it is verified and lifted")
    release_s: Positive = Field(default=0.3, description="at the bin until the hand is free")


class Geometry(Section):
    """A delta arm: three shoulders at 0, 120 and 240 degrees about z, and a wrist."""

    base_radius_m: Positive = Field(default=0.20, description="from the arm's axis to each shoulder's axis")
    platform_radius_m: Positive = Field(default=0.05, description="from the tool's axis to each forearm's joint")
    upper_arm_m: Positive = Field(default=0.30, description="from a shoulder's axis to its elbow")
    forearm_m: Positive = Field(default=0.70, description="from an elbow to the platform")
    base_height_m: Positive = Field(default=0.75, description="of the shoulders' plane above the belt")
    base_x_m: Number = Field(default=0.60, description="of the arm's axis in the cell frame")
    base_y_m: Number = Field(default=0.0, description="of the arm's axis in the cell frame")


Vacuum: TypeAlias = Annotated[float, Strict(), Field(ge=1000.0, le=99_000.0, allow_inf_nan=False)]
"""An absolute pressure below that of the open air, Pa."""


def _least_first(size_m: Point) -> Point:
    if size_m[0] > size_m[1]:
        raise ValueError(f"the least must come first, not {list(size_m)}")
    return size_m


Size: TypeAlias = Annotated[Point, AfterValidator(_least_first)]
"""Least and greatest length, m."""


class PartTypeParameters(Section):
    """Parts that are told by their size, and how they want to be gripped; what is left out is as for all others."""

    length_m: Size = Field(default=(0.0, 1.0), description="least and greatest long side, as the camera measures it, m")
    width_m: Size = Field(default=(0.0, 1.0), description="least and greatest short side, m")
    force_n: Annotated[float, Strict(), Field(gt=0.0, le=1000.0)] | None = Field(
        default=None, description="of the fingers, N"
    )
    grip_width_m: Positive | None = Field(
        default=None, description="what the fingers find between them, m; left out: the measured short side"
    )
    width_tolerance_m: Annotated[float, Strict(), Field(gt=0.0, lt=0.012)] | None = Field(
        default=None,
        description="of a grip's width, m; less than 0.012, by which the fingers open wider than the part",
    )
    hold_pressure_pa: Vacuum | None = Field(
        default=None, description="absolute pressure that a cup needs to hold it, Pa"
    )


def _told_apart(types: dict[str, PartTypeParameters]) -> dict[str, PartTypeParameters]:
    for (one, first), (other, second) in itertools.combinations(types.items(), 2):
        if _meet(first.length_m, second.length_m) and _meet(first.width_m, second.width_m):
            raise ValueError(f"a part could be of type {one!r} and {other!r} at once")
    return types


def _meet(one: Point, other: Point) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


class CupParameters(Section):
    """A suction cup in place of the fingers; absolute pressures."""

    hold_pressure_pa: Vacuum = Field(default=60_000.0, description="a part counts as held from here on down, Pa")
    keep_pressure_pa: Vacuum = Field(
        default=80_000.0, description="asked for instead while a part is carried by a cup that leaks, Pa"
    )
    slow_share: Annotated[float, Strict(), Field(ge=0.1, le=1.0)] = Field(
        default=0.4, description="of the speed, to the bin with a cup that leaks"
    )

    @model_validator(mode="after")
    def _in_order(self) -> CupParameters:
        if self.keep_pressure_pa <= self.hold_pressure_pa:
            raise ValueError("keep_pressure_pa must be above hold_pressure_pa: less vacuum")
        return self


class PickerParameters(NodeParameters):
    """The pick sequence and the arm's limits as the controller plans with them."""

    travel_z_m: Positive = Field(default=0.10, description="height of the tool point on the way")
    grip_z_m: Positive = Field(default=0.006, description="height of the tool point at the grip")
    window_m: Window = Field(default=(0.35, 0.85), description="first and last x at which the arm picks")
    belt_end_m: Number = Field(default=1.10, description="x at which a part that stays has passed")
    bins: Bins = Field(default_factory=Bins, description="where the bins stand")
    max_speed_mps: Positive = Field(default=1.5, description="of the tool; the arm's own limit is higher")
    max_accel_mps2: Positive = Field(default=15.0, description="of the tool along its path")
    max_jerk_mps3: Annotated[float, Strict(), Field(ge=50.0, le=100_000.0)] = Field(
        default=1000.0, description="of the tool along its path; twice that where a descent is broken off"
    )
    max_joint_rate_radps: Positive = Field(default=12.0, description="of every shoulder")
    geometry: Geometry = Field(default_factory=Geometry, description="of the delta arm")
    force_n: Annotated[float, Strict(), Field(gt=0.0, le=1000.0)] = Field(default=60.0, description="of the grip")
    hand: Literal["fingers", "cup"] = Field(default="fingers", description="at the arm; has to go with the gripper")
    cup: CupParameters = Field(default_factory=CupParameters, description="how a cup holds")
    regrips: Annotated[int, Strict(), Field(ge=0, le=3)] = Field(
        default=1, description="how often a grip that took nothing is tried again while the part is within reach"
    )
    grip_current_a: Annotated[float, Strict(), Field(ge=0.0, le=5.0)] = Field(
        default=0.0, description="motor current that fingers need on a part for a grip to count, A; 0: nobody looks"
    )
    part_types: Annotated[dict[Word, PartTypeParameters], AfterValidator(_told_apart)] = Field(
        default_factory=dict, description="by a name of your own: parts of a size and how they are gripped"
    )
    ledger: str = Field(default="", description="the ledger's file; empty: ledger.sqlite in the state folder")
    ledger_keep_days: Annotated[float, Strict(), Field(ge=0.0, allow_inf_nan=False)] = Field(
        default=0.0, description="runs that ended longer ago go into ledger-archive.sqlite beside it; 0: never"
    )
    seed: Annotated[int, Strict(), Field(ge=-1)] = Field(default=-1, description="noted in the ledger; -1: none")


class SuctionParameters(Section):
    """Of a suction gripper; absolute pressures."""

    hold_pressure_pa: Vacuum = Field(default=60_000.0, description="where a goal asks for no vacuum of its own, Pa")
    deeper_pa: Annotated[float, Strict(), Field(gt=0.0, le=80_000.0)] = Field(
        default=20_000.0, description="by how much deeper the pump draws before it rests, Pa"
    )
    timeout_s: Annotated[float, Strict(), Field(ge=0.1, le=25.5)] = Field(
        default=0.6, description="how long it tries to hold something"
    )


class GripperParameters(NodeParameters):
    """The gripper: two fingers or a suction cup."""

    device: Device = Field(description="the gripper itself")
    suction: SuctionParameters = Field(default_factory=SuctionParameters, description="of a suction gripper")


class ConveyorParameters(NodeParameters):
    """The belt: its drive and its encoder."""

    drive: Device = Field(description="what moves the belt")
    encoder: Device = Field(description="what counts the belt's travel and latches it with the camera's strobe")
    speed_mps: Positive = Field(default=0.2, le=5.0, description="of the belt while it runs")


class SupervisorParameters(NodeParameters):
    """The PackML state machine and what it watches."""

    safety: Device = Field(
        description="where the emergency stop and the light curtain are looked at; never a safety function"
    )
    autostart: Switch = Field(default=False, description="Reset and Start by itself; refused with a real port")
    after_crash: Switch = Field(default=False, description="begin in Aborted: the last run had no clean end")
    clear: Switch = Field(default=False, description="give Clear, Reset and Start after a crash by itself")
    inputs_age_s: Positive = Field(default=0.2, description="older safety inputs abort a cell in motion")
    alarms: str = Field(default="", description="the alarms' journal, a file; empty: none is kept")
    loss_s: Annotated[float, Strict(), Field(ge=0.0, le=5.0)] = Field(
        default=0.15, description="how long a device may be gone before a cell in motion aborts"
    )
    speed_mps: Positive = Field(default=0.2, le=5.0, description="of the belt; Starting ends near it")
    watched: tuple[Word, ...] = Field(
        default=("drive", "encoder", "gripper", "picker"), description="what has to be well before the cell resets"
    )
    spectators: tuple[Word, ...] = Field(
        default=("status",), description="what only raises an alarm when it is gone; a loss of all else aborts"
    )


class StatusParameters(NodeParameters):
    """The operator's page."""

    host: Word = Field(default="127.0.0.1", description="address to serve on; reading is open to whoever reaches it")
    port: Annotated[int, Strict(), Field(ge=0, le=65535)] = Field(default=8080, description="0 takes any free port")
    model: Word = Field(default="sim", description="the detector's model, as the page names it")
    overkill: Overkill = 0.05
    policy: Word = Field(default="spt", description="the policy, as the page names it")
    simulated: Switch = Field(default=False, description="the hardware is a simulator, and the page says so")


OWN: Final[dict[str, type[NodeParameters]]] = {
    "camera": CameraParameters,
    "detector": DetectorParameters,
    "tracker": TrackerParameters,
    "policy": PolicyParameters,
    "picker": PickerParameters,
    "gripper": GripperParameters,
    "conveyor": ConveyorParameters,
    "supervisor": SupervisorParameters,
    "status": StatusParameters,
}
"""Schemas of the controller's own nodes."""
