"""A cell that was suspended for a cause outside it goes on with the cause's end, and only that one does."""

from __future__ import annotations

import dataclasses

from cell.packml import Event, Machine, State
from cell.supervision import WELL_S, Observations, Supervision

RUNNING = Observations(
    estop_ok=True,
    curtain_ok=True,
    safety_fresh=True,
    faults=(),
    not_ready=(),
    belt_speed_mps=0.2,
    belt_target_mps=0.2,
    picker_idle=True,
)
STANDING = dataclasses.replace(RUNNING, belt_speed_mps=0.0)
FULL = "the ledger's disk is nearly full"


def suspended_for_the_disk() -> Supervision:
    supervision = Supervision(Machine(State.EXECUTE))
    supervision.step(RUNNING, 1.0)
    supervision.step(dataclasses.replace(RUNNING, suspend=FULL), 2.0)
    assert (supervision.machine.state, supervision.machine.reason) == (State.SUSPENDING, FULL)
    supervision.step(dataclasses.replace(STANDING, suspend=FULL), 3.0)
    assert (supervision.machine.state, supervision.machine.reason) == (State.SUSPENDED, FULL)
    assert supervision.suspended_by_itself
    return supervision


def test_cell_goes_on_when_the_cause_has_been_gone_for_a_while() -> None:
    supervision = suspended_for_the_disk()
    for now_s, cause in ((4.0, FULL), (5.0, None), (5.0 + WELL_S / 2, FULL), (6.0, None), (6.0 + WELL_S / 2, None)):
        supervision.step(dataclasses.replace(STANDING, suspend=cause), now_s)
        assert supervision.machine.state is State.SUSPENDED
    supervision.step(STANDING, 6.0 + WELL_S)
    assert supervision.machine.state is State.UNSUSPENDING
    supervision.step(RUNNING, 8.0)
    assert supervision.machine.state is State.EXECUTE


def test_cell_stays_suspended_when_somebody_suspended_it() -> None:
    supervision = Supervision(Machine(State.EXECUTE))
    supervision.step(RUNNING, 1.0)
    supervision.command(Event.SUSPEND, "an operator", 2.0)
    for step in range(100):
        supervision.step(STANDING, 3.0 + step)
    assert supervision.machine.state is State.SUSPENDED


def test_cell_stays_stopped_when_somebody_stopped_it_while_the_disk_was_full() -> None:
    supervision = suspended_for_the_disk()
    supervision.command(Event.STOP, "an operator", 4.0)
    for step in range(100):
        supervision.step(STANDING, 5.0 + step)
    assert supervision.machine.state is State.STOPPED


def test_cell_stays_suspended_when_something_else_is_wrong_meanwhile() -> None:
    supervision = suspended_for_the_disk()
    for step in range(10):
        supervision.step(dataclasses.replace(STANDING, not_ready=("gripper: activating",)), 4.0 + step)
    assert supervision.machine.state is State.SUSPENDED
