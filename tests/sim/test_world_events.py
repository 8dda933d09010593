"""The world's order of events: arrivals, exits, determinism."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from sim_parts import PlainFaces, plain_face, running_world

from sim.plant import Plant
from sim.scenario import Feed, Scenario
from sim.world import World
from sim.world.feeder import Feeder


def test_world_is_a_plant_when_seen_by_an_emulator() -> None:
    plant: Plant = running_world()
    plant.advance(1.0)
    assert plant.cabinet.encoder_m == pytest.approx(0.2)
    assert plant.gripper.width_m == pytest.approx(0.085)
    assert plant.cabinet.estop_ok and plant.cabinet.curtain_ok


def test_travel_is_the_integral_when_speed_changes() -> None:
    world = running_world()
    world.advance(1.5)
    world.belt.drive(0.1)
    world.advance(3.5)
    world.belt.drive(0.0)
    world.advance(9.0)
    assert world.belt.travel_m == pytest.approx(0.2 * 1.5 + 0.1 * 2.0)


def _fates_with_steps(step_s: float) -> object:
    world = running_world(scenario=Scenario().with_parts(30), seed=7)
    changes = [(4.1, 0.15), (9.7, 0.0), (12.3, 0.2)]
    for at_s, speed in changes:
        while world.now_s + step_s < at_s:
            world.advance(world.now_s + step_s)
        world.advance(at_s)
        world.belt.drive(speed)
    while not world.empty:
        world.advance(world.now_s + step_s)
    return world.referee.fates()


def test_fates_are_identical_when_advanced_in_other_steps() -> None:
    assert _fates_with_steps(0.0173) == _fates_with_steps(11.0)


def test_every_part_ends_in_the_good_stream_when_nobody_picks() -> None:
    world = running_world(scenario=Scenario().with_parts(12))
    assert not world.empty
    world.advance(120.0)
    assert world.empty and world.fed_out
    assert world.referee.counts() == {"good_stream": 12}
    assert world.referee.quality() == {"defective_in": 4, "escaped": 4, "good_in": 8, "false_rejects": 0}


def test_part_leaves_at_the_belts_end_when_it_has_travelled_there() -> None:
    world = running_world(plain_face())
    arrival = world.next_event_s()
    assert arrival is not None
    world.advance(arrival)
    assert world.entered == 1
    leaves = world.next_event_s()
    assert leaves == pytest.approx(arrival + (1.10 - Scenario().feed.x_m) / 0.2)


def test_nothing_arrives_when_the_belt_stands() -> None:
    world = World(Scenario(), 1, PlainFaces())
    world.advance(600.0)
    assert world.entered == 0
    assert world.next_event_s() is None


def test_no_more_parts_arrive_when_the_feed_is_stopped() -> None:
    world = running_world()
    world.advance(10.0)
    entered = world.entered
    assert entered > 0
    world.stop_feed()
    world.advance(60.0)
    assert world.entered == entered and world.empty


def _travels(scenario: Scenario, count: int, seed: int) -> tuple[list[float], list[float]]:
    feeder = Feeder(scenario, seed, PlainFaces())
    arrivals = [feeder.take() for _ in range(count)]
    halves = [arrival.part.half_extent_m()[0] for arrival in arrivals]
    return [arrival.travel_m for arrival in arrivals], halves


@pytest.mark.parametrize("arrivals", ["poisson", "bursty", "batch"])
def test_mean_rate_holds_when_arrivals_are(arrivals: str) -> None:
    scenario = dataclasses.replace(Scenario(), feed=dataclasses.replace(Feed(), arrivals=arrivals))
    travels, _ = _travels(scenario, 900, seed=3)
    mean_m = travels[-1] / len(travels)
    assert 60.0 * 0.2 / mean_m == pytest.approx(36.0, rel=0.08)


@pytest.mark.parametrize("arrivals", ["poisson", "bursty", "batch"])
def test_parts_keep_the_gap_when_arrivals_are(arrivals: str) -> None:
    scenario = dataclasses.replace(Scenario(), feed=dataclasses.replace(Feed(), arrivals=arrivals, rate_per_min=90))
    travels, halves = _travels(scenario, 300, seed=5)
    pairs = zip(itertools.pairwise(travels), itertools.pairwise(halves), strict=True)
    assert min(b - a - ha - hb for (a, b), (ha, hb) in pairs) >= 0.025 - 1e-9


def test_gaps_cluster_when_arrivals_are_bursty() -> None:
    spread = {}
    for arrivals in ("poisson", "bursty"):
        scenario = dataclasses.replace(Scenario(), feed=dataclasses.replace(Feed(), arrivals=arrivals))
        travels, _ = _travels(scenario, 400, seed=2)
        gaps = np.diff(travels)
        spread[arrivals] = gaps.std() / gaps.mean()
    assert spread["bursty"] > 1.4 * spread["poisson"]


def test_parts_lie_inside_the_picture_when_fed() -> None:
    feeder = Feeder(Scenario(), 4, PlainFaces())
    for _ in range(200):
        part = feeder.take().part
        assert abs(part.y_m) <= 0.11
        assert abs(part.y_m) + part.half_extent_m()[1] <= 0.16


def test_feed_ends_when_the_faces_end() -> None:
    world = running_world(plain_face(), plain_face())
    world.advance(60.0)
    assert world.entered == 2 and world.empty


def test_strobe_latches_travel_when_fired() -> None:
    world = running_world()
    shot = world.strobe(2.0)
    world.advance(5.0)
    assert (shot.count, shot.travel_m, shot.speed_mps) == (1, pytest.approx(0.4), 0.2)
    assert (world.cabinet.strobe_count, world.cabinet.strobe_m) == (1, pytest.approx(0.4))
    assert world.cabinet.encoder_m == pytest.approx(1.0)


def test_belt_stands_when_the_emergency_stop_is_pressed() -> None:
    world = running_world()
    world.advance(1.0)
    world.cabinet.press_estop()
    assert not world.cabinet.estop_ok
    world.belt.drive(0.2)
    world.advance(3.0)
    assert world.belt.travel_m == pytest.approx(0.2)


def test_belt_stays_when_contacts_close_and_the_drive_was_never_stopped() -> None:
    world = running_world()
    world.cabinet.interrupt_curtain()
    world.cabinet.clear_curtain()
    world.belt.drive(0.2)
    assert world.belt.speed_mps == 0.0
    world.belt.drive(0.0)
    world.belt.drive(0.2)
    assert world.belt.speed_mps == 0.2


def test_belt_runs_again_when_the_drive_was_stopped_before_the_contacts_closed() -> None:
    world = running_world()
    world.cabinet.press_estop()
    world.belt.drive(0.0)
    world.cabinet.release_estop()
    assert world.belt.speed_mps == 0.0
    world.belt.drive(0.2)
    assert world.belt.speed_mps == 0.2


def test_belt_stays_when_only_one_of_two_contacts_closes_again() -> None:
    world = running_world()
    world.cabinet.press_estop()
    world.cabinet.interrupt_curtain()
    world.cabinet.release_estop()
    world.belt.drive(0.0)
    world.belt.drive(0.2)
    assert world.belt.speed_mps == 0.0


def test_feed_goes_on_where_the_belt_is_when_it_has_stood() -> None:
    world = running_world(scenario=Scenario().with_parts(9))
    world.feed(3)
    world.advance(60.0)
    assert world.entered == 3
    assert world.empty
    world.feed(5)
    assert not world.fed_out
    world.advance(60.5)
    (part,) = world.parts
    # It enters where parts enter, not where it would have been by now.
    assert world.scenario.feed.x_m <= part.belt_x_m + world.belt.travel_m < world.scenario.feed.x_m + 0.1
    world.advance(120.0)
    assert world.entered == 5
    world.feed(None)
    world.advance(240.0)
    assert world.entered == 9
    assert world.referee.counts() == {"good_stream": 9}


def test_limit_changes_nothing_when_the_feed_has_not_reached_it() -> None:
    plain, limited = running_world(seed=5), running_world(seed=5)
    limited.feed(1000)
    for world in (plain, limited):
        world.advance(10.0)
        world.feed(2000)
        world.advance(30.0)
    assert plain.referee.fates() == limited.referee.fates()


def test_quality_leaves_out_what_had_left_before() -> None:
    world = running_world(scenario=Scenario().with_parts(6))
    world.feed(3)
    world.advance(60.0)
    settled = world.referee.settled()
    assert settled == {0, 1, 2}
    world.feed(None)
    world.advance(120.0)
    assert world.referee.quality(settled) == {"defective_in": 1, "escaped": 1, "good_in": 2, "false_rejects": 0}
