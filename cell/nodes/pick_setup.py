"""The picker's parameters as the planner, the sequence and the part types take them."""

from __future__ import annotations

from typing import Any

from cell.kinematics import DeltaGeometry
from cell.motion import Heights, MotionLimits, Planner
from cell.nodes.node import CellNode
from cell.part_types import PartType
from cell.pick_types import CupSettings, GripRecipe, SequenceSettings

# A goal that reaches the arm after its own start has to be caught up with, at accelerations that the arm may refuse;
# on a busy machine the way to the arm takes up to some 30 ms.
GOAL_LEAD_S = 0.04
GEOMETRY = (
    "base_radius_m",
    "platform_radius_m",
    "upper_arm_m",
    "forearm_m",
    "base_height_m",
    "base_x_m",
    "base_y_m",
)
CUP = "cup"
ANY_M = (0.0, 1.0)


def has_cup(node: CellNode) -> bool:
    """The hand at the arm is a suction cup."""
    return str(node.setting("hand", "fingers")) == CUP


def planner_of(node: CellNode) -> Planner:
    """The arm, its limits and heights."""
    usual = DeltaGeometry()
    measures: dict[str, Any] = {
        name: float(node.setting(f"geometry.{name}", getattr(usual, name))) for name in GEOMETRY
    }
    first_m, last_m = node.numbers("window_m", (0.35, 0.85))
    return Planner(
        geometry=DeltaGeometry(**measures),
        limits=MotionLimits(
            speed_mps=float(node.setting("max_speed_mps", 1.5)),
            accel_mps2=float(node.setting("max_accel_mps2", 15.0)),
            jerk_mps3=float(node.setting("max_jerk_mps3", 1000.0)),
            joint_rate_radps=float(node.setting("max_joint_rate_radps", 12.0)),
        ),
        heights=Heights(
            travel_m=float(node.setting("travel_z_m", 0.10)), grip_m=float(node.setting("grip_z_m", 0.006))
        ),
        window_m=(first_m, last_m),
        aligns=not has_cup(node),
    )


def settings_of(node: CellNode, travel_z_m: float) -> SequenceSettings:
    """Bins, forces, and the cup where there is one."""
    bins = {}
    for name, usual in (("defect", (0.60, 0.34)), ("reject", (0.60, -0.34))):
        x_m, y_m = node.numbers(f"bins.{name}", usual)
        bins[name] = (x_m, y_m, travel_z_m)
    cup = CupSettings()
    if has_cup(node):
        cup = CupSettings(
            hold_pressure_pa=float(node.setting("cup.hold_pressure_pa", cup.hold_pressure_pa)),
            keep_pressure_pa=float(node.setting("cup.keep_pressure_pa", cup.keep_pressure_pa)),
            slow_share=float(node.setting("cup.slow_share", cup.slow_share)),
        )
    return SequenceSettings(
        bins_m=bins,
        gripper_force_n=float(node.setting("force_n", 60.0)),
        grip_current_a=float(node.setting("grip_current_a", 0.0)),
        regrips=int(node.setting("regrips", 1)),
        cup=cup if has_cup(node) else None,
        lead_s=GOAL_LEAD_S,
    )


def part_types_of(node: CellNode) -> tuple[PartType, ...]:
    """What the parameters below ``part_types`` say, by name."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in node.section("part_types").items():
        name, _, field = key.rpartition(".")
        found.setdefault(name, {})[field] = value
    return tuple(
        PartType(
            length_m=_range(values.get("length_m", ANY_M)),
            width_m=_range(values.get("width_m", ANY_M)),
            recipe=GripRecipe(
                type_name=name,
                force_n=_number(values, "force_n"),
                grip_width_m=_number(values, "grip_width_m"),
                width_tolerance_m=_number(values, "width_tolerance_m"),
                hold_pressure_pa=_number(values, "hold_pressure_pa"),
            ),
        )
        for name, values in sorted(found.items())
    )


def _number(values: dict[str, Any], name: str) -> float | None:
    value = values.get(name)
    return None if value is None else float(value)


def _range(values: Any) -> tuple[float, float]:
    first, last = values
    return float(first), float(last)
