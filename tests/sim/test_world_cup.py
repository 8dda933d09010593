"""A suction cup in the world: seal, hold, leak, slip, let go."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from sim_parts import PlainFaces, plain_face

from cell.kinematics import DeltaGeometry, inverse
from sim.faces.types import Face
from sim.scenario import CupSetup, GripSetup, Scenario
from sim.world import World
from sim.world.cup import OPEN_AIR_PA

ON_PART_M = 0.0115


def _go(world: World, x_m: float, y_m: float, z_m: float, *, yaw_rad: float = 0.0, duration_s: float = 1.0) -> None:
    target = inverse(DeltaGeometry(), np.array([x_m, y_m, z_m]), yaw_rad).tolist()
    start, _ = world.arm.state(world.now_s)
    world.arm.execute([0.0, duration_s], [start, target], [[0.0] * 4] * 2, world.now_s)
    world.advance(world.now_s + duration_s)


def _world(face: Face | None = None, scenario: Scenario | None = None) -> World:
    """A cell with a cup whose only part lies at x = 0.6 m on a standing belt."""
    world = World(scenario or Scenario(), 1, PlainFaces(face or plain_face(defective=True)), cup=True)
    world.belt.drive(0.2)
    arrives = world.next_event_s()
    assert arrives is not None
    world.advance(arrives + (0.6 - Scenario().feed.x_m) / 0.2)
    world.belt.drive(0.0)
    return world


def _down(world: World, *, dx: float = 0.0, dy: float = 0.0, z_m: float = ON_PART_M) -> None:
    part = world.parts[0]
    x = part.belt_x_m + world.belt.travel_m
    _go(world, x + dx, part.y_m + dy, 0.1)
    _go(world, x + dx, part.y_m + dy, z_m)


def _suck(world: World, for_s: float = 0.5) -> None:
    world.cup.pump(True)
    world.advance(world.now_s + for_s)


def test_part_is_held_when_the_cup_is_on_it_and_draws() -> None:
    world = _world()
    _down(world)
    assert world.cup.pressure_pa == pytest.approx(OPEN_AIR_PA)
    _suck(world)
    assert world.holds == 0
    assert world.referee.counts() == {"held": 1}
    assert world.cup.pressure_pa == pytest.approx(20_000.0, rel=0.01)


def test_part_is_not_held_at_once_when_the_pump_begins() -> None:
    world = _world()
    _down(world)
    _suck(world, 0.008)
    assert world.holds is None
    assert world.grasping
    world.advance(world.now_s + 0.05)
    assert world.holds == 0
    assert not world.grasping


@pytest.mark.parametrize(("dx", "dy", "z_m", "held"), [
    (0.0, 0.0, ON_PART_M, True),
    (0.008, 0.0, ON_PART_M, True),
    (0.0, 0.008, ON_PART_M, True),
    (0.0, 0.0, 0.014, False),
    (0.026, 0.026, ON_PART_M, False),
])  # fmt: skip
def test_cup_seals_only_when_all_of_its_lip_lies_on_the_part(dx: float, dy: float, z_m: float, held: bool) -> None:
    world = _world()
    _down(world, dx=dx, dy=dy, z_m=z_m)
    _suck(world)
    assert (world.holds == 0) is held
    # Over an edge or in the air a pump draws no vacuum worth the name.
    assert (world.cup.pressure_pa < 30_000.0) is held


def test_round_part_is_sealed_within_its_circle() -> None:
    disc = plain_face(0.05, 0.05, is_round=True)
    for dx, held in ((0.014, True), (0.017, False)):
        world = _world(disc)
        _down(world, dx=dx)
        _suck(world)
        assert (world.holds == 0) is held


def test_part_lies_where_it_was_under_the_cup_when_it_is_let_go() -> None:
    world = _world()
    before = world.parts[0]
    _down(world, dx=0.004, dy=-0.003)
    _suck(world)
    _go(world, 0.62, 0.02, 0.05)
    held = world.held
    assert held is not None
    tool = world.arm.tool(world.now_s)
    assert held.belt_x_m + world.belt.travel_m - tool.x_m == pytest.approx(-0.004, abs=1e-6)
    assert held.y_m - tool.y_m == pytest.approx(0.003, abs=1e-6)
    world.cup.valve("vents")
    world.cup.pump(False)
    world.advance(world.now_s + 0.2)
    assert world.referee.counts() == {"on_belt": 1}
    after = world.parts[0]
    assert math.remainder(after.yaw_rad - before.yaw_rad, math.tau) == pytest.approx(0.0, abs=1e-6)


def test_part_falls_into_the_bin_a_moment_after_the_valve_opens() -> None:
    world = _world()
    _down(world)
    _suck(world)
    _go(world, 0.60, 0.0, 0.10)
    _go(world, 0.60, 0.34, 0.10)
    world.cup.valve("vents")
    world.cup.pump(False)
    opened_s = world.now_s
    world.advance(opened_s + 0.5)
    assert world.referee.counts() == {"bin:defect": 1}
    (fate,) = world.referee.fates()
    # From 20 to 88 kPa with a time constant of 20 ms.
    assert fate.at_s - opened_s == pytest.approx(0.02 * math.log((101_325 - 20_000) / (101_325 - 88_000)), rel=0.05)


@pytest.mark.parametrize(
    ("share", "pressure_pa", "held"), [(0.0, 20_000, True), (0.6, 68_800, True), (0.9, 93_200, False)]
)
def test_pressure_is_what_a_leak_leaves_when_the_cup_holds_a_part(share: float, pressure_pa: float, held: bool) -> None:
    world = _world()
    _down(world)
    _suck(world)
    _go(world, 0.60, 0.0, 0.10)
    world.cup.leak(share)
    world.advance(world.now_s + 0.15)
    before_pa = world.cup.pressure_pa
    world.advance(world.now_s + 1.0)
    assert (world.holds == 0) is held
    if held:
        assert world.cup.pressure_pa == pytest.approx(pressure_pa, rel=0.01)
    else:
        # It fell on its way to what the leak would leave, and the cup is open since.
        assert before_pa < 94_000.0
        assert world.referee.counts() == {"floor": 1}
        assert world.cup.pressure_pa == pytest.approx(97_000.0, rel=0.01)


def test_tight_cup_keeps_its_part_for_long_when_the_pump_stands() -> None:
    world = _world()
    _down(world)
    _suck(world)
    world.cup.pump(False)
    world.advance(world.now_s + 10.0)
    assert world.holds == 0
    world.advance(world.now_s + 200.0)
    assert world.holds is None


def test_porous_part_leaves_less_vacuum() -> None:
    scenario = dataclasses.replace(Scenario(), cup=CupSetup(porous={"plain": 0.5}))
    world = _world(scenario=scenario)
    _down(world)
    _suck(world, 1.0)
    assert world.cup.pressure_pa == pytest.approx(20_000 + 0.5 * 81_325, rel=0.01)


def test_part_comes_off_and_is_not_taken_again_by_the_same_grip_when_it_slips() -> None:
    scenario = dataclasses.replace(Scenario(), grip=GripSetup(slip_share=1.0))
    world = _world(scenario=scenario)
    _down(world)
    _suck(world, 2.0)
    assert world.referee.counts() == {"on_belt": 1}
    world.cup.valve("vents")
    world.advance(world.now_s + 0.2)
    world.cup.valve("closed")
    world.cup.pump(False)
    _suck(world, 0.1)
    assert world.holds == 0


def test_part_stays_on_the_belt_when_a_cup_is_taken_off_before_it_holds() -> None:
    scenario = dataclasses.replace(Scenario(), cup=CupSetup(floor_pa=90_000.0))
    world = _world(scenario=scenario)
    _down(world)
    _suck(world)
    _go(world, 0.60, 0.0, 0.10)
    assert world.referee.counts() == {"on_belt": 1}
    assert world.cup.pressure_pa == pytest.approx(97_000.0, rel=0.01)


def test_what_happens_does_not_depend_on_how_often_it_is_advanced() -> None:
    traces = []
    for step_s in (0.5, 0.003):
        world = _world()
        _down(world)
        world.cup.pump(True)
        end_s = world.now_s + 0.5
        while world.now_s < end_s:
            world.advance(min(world.now_s + step_s, end_s))
        world.cup.leak(0.95)
        while world.now_s < end_s + 0.5:
            world.advance(min(world.now_s + step_s, end_s + 0.5))
        traces.append((world.cup.pressure_pa, [(one.place, one.at_s) for one in world.referee.fates()]))
    assert traces[0][0] == pytest.approx(traces[1][0], abs=1e-6)
    assert [one[0] for one in traces[0][1]] == [one[0] for one in traces[1][1]]
    assert traces[0][1][0][1] == pytest.approx(traces[1][1][0][1], abs=1e-9)


def test_world_with_fingers_has_no_cup() -> None:
    world = World(Scenario(), 1, PlainFaces())
    assert not world.has_cup
    with pytest.raises(LookupError):
        _ = world.cup
