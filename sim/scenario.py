"""What the simulated world is made of: typed, with the cell of acceptance as its defaults, loaded from YAML.

Positions are in the cell frame (metres, origin on the belt under the middle of the camera's picture, x along travel).
Ranges are declared on the fields and checked when a file is loaded, not when a test builds a scenario by hand.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from perception.errors import InputError
from sim.faces.shapes import PART_KINDS

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Level = Annotated[int, Field(ge=0, le=255)]
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Feed:
    """How parts arrive. The feeder drops by belt travel, so that a stopped belt is fed nothing.

    Attributes:
        arrivals: ``poisson`` (independent gaps), ``bursty`` (runs of random length, then a pause), ``batch`` (runs of
            ``batch_size``, then a pause); all three with the same mean rate.
        rate_per_min: mean rate while the belt runs at ``nominal_speed_mps``.
        min_gap_m: free belt kept between two parts along travel.
        defective_share: probability that a rendered part is defective.
        parts: how many to feed, then stop; None feeds for ever.
        x_m: where a part's centre enters, out of the camera's sight.
        lateral_m: greatest distance of a part's centre from the belt's middle.
        burst_mean, batch_size: parts in a run.
        mix: weight of each rendered part type.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    arrivals: Literal["poisson", "bursty", "batch"] = "poisson"
    rate_per_min: Positive = 36.0
    nominal_speed_mps: Positive = 0.2
    min_gap_m: Annotated[float, Field(ge=0.025)] = 0.025
    defective_share: Share = 0.2
    parts: Annotated[int, Field(ge=1)] | None = None
    x_m: Finite = -0.20
    lateral_m: NotNegative = 0.11
    burst_mean: Annotated[float, Field(ge=1.0)] = 4.0
    batch_size: Annotated[int, Field(ge=1)] = 6
    mix: dict[str, Positive] = field(default_factory=lambda: dict.fromkeys(PART_KINDS, 1.0))


@dataclass(frozen=True, slots=True)
class Belt:
    """``end_x_m``: where parts leave into the good stream."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    end_x_m: Finite = 1.10
    width_m: Positive = 0.36


@dataclass(frozen=True, slots=True)
class CameraSetup:
    """The camera over the belt.

    Attributes:
        rate_hz: pictures a second.
        exposure_s: the strobe's length, with the belt's speed it gives the motion blur.
        noise_levels: deviation of the sensor's noise, grey levels of 255.
        vignetting: share of the light that is lost in the corners.
        belt_bgr: mean colour of the belt.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    width_px: Annotated[int, Field(ge=64, le=4096)] = 640
    height_px: Annotated[int, Field(ge=64, le=4096)] = 480
    px_per_m: Positive = 2000.0
    rate_hz: Positive = 10.0
    exposure_s: NotNegative = 0.0005
    noise_levels: Annotated[float, Field(ge=0.0, le=30.0)] = 1.5
    vignetting: Annotated[float, Field(ge=0.0, le=0.5)] = 0.12
    belt_bgr: tuple[Level, Level, Level] = (60, 150, 40)


@dataclass(frozen=True, slots=True)
class GripSetup:
    """Fingers and what they can hold.

    Attributes:
        stroke_m: greatest opening (2F-85: 85 mm).
        position_m: a part is held if its centre lies within this of the tool point when the fingers meet it.
        yaw_rad: ... and one of its sides within this of the closing direction.
        compliance_m: by how much the fingers may land on a part that is not quite between them.
        part_height_m: the fingers meet a part only below this.
        drop_height_m: a part let go above the belt from higher than this bounces off it.
        slip_share: probability that a held part slips out on its way.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    stroke_m: Positive = 0.085
    position_m: Positive = 0.008
    yaw_rad: Positive = 0.2
    compliance_m: NotNegative = 0.001
    part_height_m: Positive = 0.012
    drop_height_m: Positive = 0.08
    slip_share: Share = 0.0


@dataclass(frozen=True, slots=True)
class CupSetup:
    """A suction cup in place of the fingers, and what it can hold. Pressures are absolute.

    Attributes:
        radius_m: of the lip; all of it has to lie on a part's face, or it does not seal.
        press_m: the cup meets a part below its top and this much above.
        floor_pa: what the pump comes down to on a sealed cup, ``unsealed_pa``: ... on an open one.
        evacuate_s, vent_s, blow_s: time constants of the pressure under the pump, with the valve open, blown off.
        seep_s, leak_s: ... of a sealed cup without the pump: tight, and with everything leaking.
        fall_pa: a held part falls when the pressure comes back to this.
        porous: share of the vacuum that goes through a part, by part type.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    radius_m: Positive = 0.010
    press_m: NotNegative = 0.001
    floor_pa: Positive = 20_000.0
    unsealed_pa: Positive = 97_000.0
    evacuate_s: Positive = 0.05
    vent_s: Positive = 0.02
    blow_s: Positive = 0.008
    seep_s: Positive = 60.0
    leak_s: Positive = 0.10
    fall_pa: Positive = 88_000.0
    porous: dict[str, Share] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArmSetup:
    """A delta arm with a wrist; joint 0 rad = upper arm level and outward, positive downward.

    Attributes:
        x_m, y_m: of the vertical axis in the middle of the base.
        base_height_m: of the shoulder axes above the belt.
        max_speed_mps, max_accel_mps2: mechanical limits of the tool along its path.
        max_joint_radps: of every joint.
        shoulder_rad, wrist_rad: first and last angle of the joints.
        start_tolerance_rad: a trajectory has to begin this close to where the arm is,
        start_tolerance_radps: ... and this close to how fast it moves.
        home_rad: shoulders at power-on.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    x_m: Finite = 0.60
    y_m: Finite = 0.0
    base_radius_m: Positive = 0.20
    platform_radius_m: Positive = 0.05
    upper_arm_m: Positive = 0.30
    forearm_m: Positive = 0.70
    base_height_m: Positive = 0.75
    max_speed_mps: Positive = 4.0
    max_accel_mps2: Positive = 50.0
    max_joint_radps: Positive = 20.0
    shoulder_rad: tuple[Finite, Finite] = (-1.2, 1.75)
    wrist_rad: tuple[Finite, Finite] = (-6.3, 6.3)
    start_tolerance_rad: Positive = 0.03
    start_tolerance_radps: Positive = 0.6
    home_rad: Finite = 0.0


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin beside the belt: what is let go within ``radius_m`` of its middle falls into it."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    x_m: Finite
    y_m: Finite
    radius_m: Positive = 0.08


@dataclass(frozen=True, slots=True)
class Photographs:
    """How real images ride: at ``px_per_m``, upright, at most ``max_width_px`` x ``max_height_px`` of picture.

    390 px are 78 mm, the most a 2F-85 gets around; at ``belt_speed_mps`` and ten pictures a second each of them lies in
    the picture as a whole at least once.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    px_per_m: Positive = 5000.0
    max_width_px: Annotated[int, Field(ge=16)] = 632
    max_height_px: Annotated[int, Field(ge=16)] = 390
    belt_speed_mps: Positive = 0.15
    yaw_rad: NotNegative = 0.01745


def _bins() -> dict[str, Bin]:
    return {"defect": Bin(0.60, 0.34), "reject": Bin(0.60, -0.34)}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulated cell."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    feed: Feed = Feed()
    belt: Belt = Belt()
    camera: CameraSetup = CameraSetup()
    grip: GripSetup = GripSetup()
    cup: CupSetup = field(default_factory=CupSetup)
    arm: ArmSetup = ArmSetup()
    photographs: Photographs = Photographs()
    bins: dict[str, Bin] = field(default_factory=_bins)

    def with_parts(self, parts: int | None) -> Scenario:
        """The same cell, fed ``parts`` parts."""
        return dataclasses.replace(self, feed=dataclasses.replace(self.feed, parts=parts))

    def with_photographs(self) -> Scenario:
        """The same cell with its camera at the photographs' scale."""
        return dataclasses.replace(self, camera=dataclasses.replace(self.camera, px_per_m=self.photographs.px_per_m))


def load_scenario(path: Path) -> Scenario:
    """A scenario from a YAML file; what it does not name keeps its default.

    Raises:
        InputError: unreadable, not YAML, an unknown key, a key given twice, a value of the wrong type or range; with
            file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(error.strerror or str(error), file=path) from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", file=path) from None
    return read_scenario(text, path)


def read_scenario(text: str, file: Path | None = None) -> Scenario:
    """As ``load_scenario``, from the text itself; ``file`` is named in errors."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise InputError(error.problem or "is not YAML", file=file, line=line) from None
    except yaml.YAMLError as error:
        raise InputError(str(error), file=file) from None
    if data is None:
        return Scenario()
    if not isinstance(data, dict):
        raise InputError("must be a mapping of sections", file=file, line=1)
    lines = _lines(root, (), file)
    try:
        scenario = TypeAdapter(Scenario).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = tuple(str(step) for step in first["loc"])
        while where and where not in lines:
            where = where[:-1]
        message = "unknown key" if first["type"] in ("unexpected_keyword_argument", "extra_forbidden") else first["msg"]
        raise InputError(message, file=file, line=lines.get(where), key=".".join(where) or None) from None
    _check(scenario, lines, file)
    return scenario


def _check(scenario: Scenario, lines: dict[tuple[str, ...], int], file: Path | None) -> None:
    """What one field alone cannot say."""

    def wrong(message: str, *key: str) -> InputError:
        return InputError(message, file=file, line=lines.get(key), key=".".join(key))

    for kind in scenario.feed.mix:
        if kind not in PART_KINDS:
            raise wrong(f"unknown part type, one of {', '.join(PART_KINDS)}", "feed", "mix", kind)
    for kind in scenario.cup.porous:
        if kind not in PART_KINDS:
            raise wrong(f"unknown part type, one of {', '.join(PART_KINDS)}", "cup", "porous", kind)
    if not scenario.feed.mix:
        raise wrong("names no part type", "feed", "mix")
    if not scenario.bins:
        raise wrong("names no bin", "bins")
    if scenario.belt.end_x_m <= scenario.feed.x_m:
        raise wrong("lies upstream of feed.x_m", "belt", "end_x_m")
    for name in ("shoulder_rad", "wrist_rad"):
        low, high = getattr(scenario.arm, name)
        if low >= high:
            raise wrong("the first angle must be the smaller", "arm", name)


def _lines(node: Any, path: tuple[str, ...], file: Path | None) -> dict[tuple[str, ...], int]:
    """Line of every key, from 1, by its path."""
    found: dict[tuple[str, ...], int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            line = key.start_mark.line + 1
            if here in found:
                raise InputError("given twice", file=file, line=line, key=".".join(here))
            found[here] = line
            found.update(_lines(value, here, file))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            here = (*path, str(index))
            found[here] = value.start_mark.line + 1
            found.update(_lines(value, here, file))
    return found
