"""A suction gripper on the topics of a parallel gripper: what a goal means, what a status says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from std_msgs.msg import Header

from cell.drivers.interfaces import Reading, VacuumCommand, VacuumStatus
from cell.nodes import fingers, suction
from cell.nodes.suction import SuctionHand, SuctionSettings
from cell.pick_types import GripperRequest, SuctionRequest

IDLE = VacuumStatus(
    activated=True,
    gripping=False,
    regulating=False,
    object_detected=False,
    no_object=False,
    pressure_pa=101_000.0,
    fault=0,
)
HOLDS = replace(IDLE, gripping=True, object_detected=True, pressure_pa=41_000.0)


class Device:
    """A ``Vacuum`` that notes what it is told."""

    name, connected, error = "gripper", True, None

    def __init__(self) -> None:
        self.status: Reading[VacuumStatus] | None = None
        self.told: list[tuple[float, float, float] | str] = []

    def activate(self) -> None:
        self.told.append("activate")

    def grip(self, *, hold_pressure_pa: float, stop_pressure_pa: float, timeout_s: float) -> VacuumCommand:
        self.told.append((hold_pressure_pa, stop_pressure_pa, timeout_s))
        return VacuumCommand(hold_pressure_pa, stop_pressure_pa, timeout_s)

    def release(self) -> None:
        self.told.append("release")


@pytest.fixture
def device() -> Device:
    return Device()


def _hand(device: Device) -> SuctionHand:
    return SuctionHand(device, SuctionSettings())


def test_goal_holds_as_deep_as_its_effort_says_when_its_position_is_0(device: Device) -> None:
    _hand(device).obey(0.0, None, 51_325.0)
    _hand(device).obey(0.0, None, None)
    _hand(device).obey(0.49, 0.1, 0.0)
    assert device.told == [(50_000.0, 30_000.0, 0.6), (60_000.0, 40_000.0, 0.6), (60_000.0, 40_000.0, 0.6)]


def test_goal_lets_go_when_its_position_is_1(device: Device) -> None:
    _hand(device).obey(1.0, None, None)
    assert device.told == ["release"]


def test_pickers_request_comes_through_the_goal_as_it_was_made(device: Device) -> None:
    for request in (SuctionRequest(True, 55_000.0), SuctionRequest(False, 55_000.0)):
        command = suction.goal(request).command
        _hand(device).obey(command.position[0], None, command.effort[0] if command.effort else None)
    assert device.told == [(55_000.0, 35_000.0, 0.6), "release"]
    command = fingers.goal(GripperRequest(0.04, 0.1, 25.0)).command
    assert (list(command.position), list(command.velocity), list(command.effort)) == ([0.04], [0.1], [25.0])


@pytest.mark.parametrize(
    ("status", "told", "said"),
    [
        (IDLE, 1.0, (False, False, True)),
        (HOLDS, 0.0, (False, True, False)),
        (replace(IDLE, gripping=True, regulating=True), 0.0, (True, False, False)),
        (replace(IDLE, gripping=True, no_object=True), 0.0, (False, False, True)),
        # The valve is open still, but the part is off; and just opened, the vacuum still there.
        (replace(IDLE, regulating=True), 1.0, (False, False, True)),
        (replace(IDLE, regulating=True, pressure_pa=50_000.0), 1.0, (True, False, False)),
    ],
)
def test_picker_reads_what_the_device_says(
    device: Device, status: VacuumStatus, told: float, said: tuple[bool, bool, bool]
) -> None:
    reading = Reading(status, 1.0, True)
    view = suction.view(_hand(device).state(reading, Header()))
    # Moves, holds, has come to its end.
    assert (view.moving, view.object_detected, view.at_request) == said
    assert view.requested_width_m == told
    assert view.pressure_pa == status.pressure_pa
    assert _hand(device).settled(reading) is not said[0]


def test_result_is_stalled_with_a_part_and_at_its_goal_when_it_has_let_go(device: Device) -> None:
    holding = _hand(device).result(Reading(HOLDS, 1.0, True), Header())
    assert (holding.stalled, holding.reached_goal) == (True, False)
    free = _hand(device).result(Reading(IDLE, 1.0, True), Header())
    assert (free.stalled, free.reached_goal) == (False, True)
    nothing = _hand(device).result(Reading(replace(IDLE, gripping=True, no_object=True), 1.0, True), Header())
    assert (nothing.stalled, nothing.reached_goal) == (False, False)


def test_goals_are_taken_only_when_the_device_is_activated_and_fresh(device: Device) -> None:
    assert not _hand(device).activated
    device.status = Reading(replace(IDLE, activated=False), 1.0, True)
    assert not _hand(device).activated
    device.status = Reading(IDLE, 1.0, False)
    assert not _hand(device).activated
    device.status = Reading(IDLE, 1.0, True)
    assert _hand(device).activated
