"""Fingers, parts and bins: hold, miss, push, carry, drop."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from sim_parts import plain_face, running_world

from cell.kinematics import DeltaGeometry, inverse
from sim.faces.types import Face
from sim.scenario import GripSetup, Scenario
from sim.world import World


def _go(world: World, x_m: float, y_m: float, z_m: float, yaw_rad: float, *, duration_s: float = 1.0) -> None:
    """Move the tool to a place, in a cubic of the joints, and wait there."""
    target = inverse(DeltaGeometry(), np.array([x_m, y_m, z_m]), yaw_rad).tolist()
    start, _ = world.arm.state(world.now_s)
    world.arm.execute([0.0, duration_s], [start, target], [[0.0] * 4] * 2, world.now_s)
    world.advance(world.now_s + duration_s)


def _world_with_part_at(x_m: float, face: Face | None = None, scenario: Scenario | None = None) -> World:
    """A world whose only part lies at x on a standing belt."""
    world = running_world(face or plain_face(defective=True), scenario=scenario)
    arrives = world.next_event_s()
    assert arrives is not None
    world.advance(arrives + (x_m - Scenario().feed.x_m) / 0.2)
    world.belt.drive(0.0)
    return world


def _grip(
    world: World, *, dx: float = 0.0, dy: float = 0.0, dyaw: float = 0.0, z_m: float = 0.006, across: bool = True
) -> None:
    part = world.parts[0]
    yaw = math.remainder(part.yaw_rad + (math.pi / 2 if across else 0.0), math.pi)
    x = part.belt_x_m + world.belt.travel_m
    _go(world, x + dx, part.y_m + dy, 0.1, yaw + dyaw)
    _go(world, x + dx, part.y_m + dy, z_m, yaw + dyaw)
    world.gripper.command(0.0, 0.15, 50.0)
    world.advance(world.now_s + 1.0)


def test_fingers_stop_on_the_short_side_when_they_close_on_a_part() -> None:
    world = _world_with_part_at(0.6)
    _grip(world)
    assert world.gripper.contact == "closing" and not world.gripper.moving
    assert world.gripper.width_m == pytest.approx(0.04)
    assert world.gripper.current_a > 0.0
    assert world.referee.counts() == {"held": 1}
    assert world.held is not None and world.parts == ()


def test_fingers_take_the_time_of_their_speed_when_they_close() -> None:
    world = _world_with_part_at(0.6)
    world.gripper.command(0.0, 0.1, 50.0)
    start = world.now_s
    world.advance(start + 0.25)
    assert world.gripper.moving and world.gripper.width_m == pytest.approx(0.06)
    world.advance(start + 2.0)
    assert world.gripper.width_m == 0.0 and world.gripper.contact == "none" and not world.gripper.moving


def test_motion_is_not_restarted_when_the_same_command_comes_again() -> None:
    world = _world_with_part_at(0.6)
    start = world.now_s
    for step in range(10):
        world.advance(start + 0.05 * step)
        world.gripper.command(0.02, 0.1, 50.0)
    assert world.gripper.width_m == pytest.approx(0.085 - 0.1 * 0.45)


def test_fingers_stop_when_halted() -> None:
    world = _world_with_part_at(0.6)
    world.gripper.command(0.0, 0.1, 50.0)
    world.advance(world.now_s + 0.2)
    world.gripper.halt()
    world.advance(world.now_s + 5.0)
    assert world.gripper.width_m == pytest.approx(0.065) and not world.gripper.moving


@pytest.mark.parametrize("miss", [{"z_m": 0.03}, {"dx": 0.05}, {"dy": -0.05}])
def test_fingers_close_on_nothing_when_they_miss(miss: dict[str, float]) -> None:
    world = _world_with_part_at(0.6)
    place = world.parts[0]
    _grip(world, **miss)
    assert world.gripper.width_m == 0.0 and world.gripper.contact == "none"
    assert world.referee.counts() == {"on_belt": 1}
    if "z_m" in miss:
        assert world.parts[0] is place


@pytest.mark.parametrize("off", [{"dyaw": 0.3}, {"dx": 0.012, "dy": 0.012}])
def test_part_is_pushed_and_stays_when_the_fingers_meet_it_badly(off: dict[str, float]) -> None:
    world = _world_with_part_at(0.6)
    before = world.parts[0]
    _grip(world, **off)
    assert world.gripper.contact == "none" and world.gripper.width_m == 0.0
    after = world.parts[0]
    assert (after.belt_x_m, after.y_m, after.yaw_rad) != (before.belt_x_m, before.y_m, before.yaw_rad)


def test_part_is_held_across_its_length_when_the_fingers_are_turned_so() -> None:
    world = _world_with_part_at(0.6)
    _grip(world, across=False)
    assert world.gripper.width_m == pytest.approx(0.06)


def test_part_is_not_held_when_it_is_wider_than_the_opening() -> None:
    world = _world_with_part_at(0.6, plain_face(0.1, 0.09))
    _grip(world)
    assert world.gripper.width_m == 0.0 and world.referee.counts() == {"on_belt": 1}


def test_round_part_is_held_when_the_fingers_come_from_any_side() -> None:
    world = _world_with_part_at(0.6, plain_face(0.05, 0.05, is_round=True))
    _grip(world, dyaw=0.7)
    assert world.gripper.width_m == pytest.approx(0.05)


@pytest.mark.parametrize(("late_s", "held"), [(0.0, True), (0.1, False)])
def test_part_is_held_only_when_the_belt_brings_it_at_the_instant_of_contact(late_s: float, held: bool) -> None:
    world = _world_with_part_at(0.5)
    part = world.parts[0]
    yaw = math.remainder(part.yaw_rad + math.pi / 2, math.pi)
    _go(world, 0.6, part.y_m, 0.1, yaw)
    _go(world, 0.6, part.y_m, 0.006, yaw)
    close_s = (0.085 - 0.04) / 0.15
    world.belt.drive(0.2)
    world.advance(world.now_s + 0.1 / 0.2 - close_s + late_s)
    world.gripper.command(0.0, 0.15, 50.0)
    world.advance(world.now_s + close_s + 0.001)
    assert (world.gripper.contact == "closing") is held
    assert world.referee.counts() == {"held" if held else "on_belt": 1}


@pytest.mark.parametrize(("y_m", "name"), [(0.34, "defect"), (-0.34, "reject")])
def test_part_falls_into_the_bin_when_it_is_let_go_over_it(y_m: float, name: str) -> None:
    world = _world_with_part_at(0.6)
    _grip(world)
    _go(world, 0.6, 0.0, 0.1, 0.3)
    _go(world, 0.62, y_m, 0.1, 0.3)
    world.gripper.command(0.085, 0.15, 50.0)
    world.advance(world.now_s + 1.0)
    fate = world.referee.fates()[0]
    assert (fate.place, fate.bin) == ("bin", name)
    assert world.gripper.width_m == pytest.approx(0.085) and world.empty
    assert world.referee.quality() == {"defective_in": 1, "escaped": 0, "good_in": 0, "false_rejects": 0}


def test_part_turns_and_moves_with_the_tool_when_it_is_put_back_on_the_belt() -> None:
    world = _world_with_part_at(0.6)
    _grip(world)
    yaw = world.arm.tool(world.now_s).yaw_rad
    _go(world, 0.6, 0.0, 0.1, yaw)
    _go(world, 0.5, 0.05, 0.02, yaw + 0.4)
    world.gripper.command(0.085, 0.15, 50.0)
    world.advance(world.now_s + 1.0)
    part = world.parts[0]
    assert part.belt_x_m + world.belt.travel_m == pytest.approx(0.5)
    assert part.y_m == pytest.approx(0.05)
    assert math.remainder(part.yaw_rad - (yaw + 0.4 + math.pi / 2), math.pi) == pytest.approx(0.0, abs=1e-9)
    world.belt.drive(0.2)
    world.advance(world.now_s + 10.0)
    assert world.referee.counts() == {"good_stream": 1}


@pytest.mark.parametrize("place", [(0.6, 0.0, 0.15), (0.6, 0.24, 0.05)])
def test_part_falls_on_the_floor_when_it_is_let_go_elsewhere(place: tuple[float, float, float]) -> None:
    world = _world_with_part_at(0.6)
    _grip(world)
    _go(world, 0.6, 0.0, 0.1, 0.0)
    _go(world, *place, 0.0)
    world.gripper.command(0.085, 0.15, 50.0)
    world.advance(world.now_s + 1.0)
    assert world.referee.counts() == {"floor": 1}


def test_part_stays_held_when_the_fingers_are_told_to_close_further() -> None:
    world = _world_with_part_at(0.6)
    _grip(world)
    world.gripper.command(0.01, 0.05, 100.0)
    world.advance(world.now_s + 2.0)
    assert world.gripper.width_m == pytest.approx(0.04) and world.gripper.contact == "closing"


def test_fingers_close_on_and_part_is_gone_when_it_slips() -> None:
    scenario = dataclasses.replace(Scenario(), grip=GripSetup(slip_share=1.0))
    world = _world_with_part_at(0.6, scenario=scenario)
    part = world.parts[0]
    yaw = math.remainder(part.yaw_rad + math.pi / 2, math.pi)
    _go(world, 0.6, part.y_m, 0.1, yaw)
    _go(world, 0.6, part.y_m, 0.006, yaw)
    world.gripper.command(0.0, 0.15, 50.0)
    world.advance(world.now_s + 0.31)
    assert world.referee.counts() == {"held": 1}
    world.advance(world.now_s + 2.0)
    assert world.referee.counts() == {"on_belt": 1}
    assert world.gripper.width_m == 0.0 and world.gripper.contact == "none"


def test_part_falls_when_it_is_knocked_out_of_the_fingers() -> None:
    world = _world_with_part_at(0.6)
    _grip(world)
    _go(world, 0.6, 0.0, 0.12, 0.0)
    world.lose_held()
    assert world.referee.counts() == {"floor": 1} and world.held is None


def test_held_part_stays_held_when_the_emergency_stop_is_pressed() -> None:
    world = _world_with_part_at(0.6)
    _grip(world)
    world.cabinet.press_estop()
    world.advance(world.now_s + 5.0)
    assert world.referee.counts() == {"held": 1}


@pytest.mark.parametrize(("gap_m", "comes"), [(0.005, True), (0.025, False)])
def test_neighbour_comes_along_when_it_lies_beside_the_part_and_sticks(gap_m: float, comes: bool) -> None:
    face = plain_face(defective=True)
    world = _world_with_part_at(0.6, face)
    lies = world.parts[0]
    # Beside it: straight on across the way in which the fingers close.
    cos, sin = math.cos(lies.yaw_rad), math.sin(lies.yaw_rad)
    apart_m = face.length_m + gap_m
    other = dataclasses.replace(lies, number=1, belt_x_m=lies.belt_x_m + apart_m * cos, y_m=lies.y_m + apart_m * sin)
    world._on_belt[1] = other
    world.referee.enter(1, world.now_s, defective=False, kind="plain", source="", defects=())
    world.stick_to_next(0.010)
    _grip(world)
    # Without a neighbour it is a scrap that widens the grip, and nobody counts it.
    assert world.gripper.width_m == pytest.approx(0.05)
    assert world.referee.counts() == ({"held": 2} if comes else {"held": 1, "on_belt": 1})
    _go(world, 0.60, 0.0, 0.10, 0.0)
    _go(world, 0.60, -0.34, 0.10, 0.0)
    world.gripper.command(0.08, 0.15, 50.0)
    world.advance(world.now_s + 1.0)
    assert world.referee.counts()["bin:reject"] == (2 if comes else 1)
