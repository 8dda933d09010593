"""What makes the cell start, end its acting states, hold, and abort; never a restart that nobody asked for."""

from __future__ import annotations

import dataclasses

import pytest

from cell.packml import Event, Machine, Refusal, State
from cell.supervision import ABORTING_LIMIT_S, ACTING_LIMIT_S, IN_MOTION, Observations, Supervision

WELL = Observations(
    estop_ok=True,
    curtain_ok=True,
    safety_fresh=True,
    faults=(),
    not_ready=(),
    belt_speed_mps=0.0,
    belt_target_mps=0.2,
    picker_idle=True,
)
RUNNING = dataclasses.replace(WELL, belt_speed_mps=0.2)


def _in(state: State, now_s: float = 10.0) -> Supervision:
    """A cell that has been in a state since ``now_s``, and runs for longer."""
    supervision = Supervision(Machine(state))
    seen = RUNNING if state is State.EXECUTE else dataclasses.replace(WELL, belt_speed_mps=0.05, picker_idle=False)
    supervision.step(dataclasses.replace(seen, not_ready=("gripper",)), now_s)
    assert supervision.machine.state is state
    return supervision


def test_cell_starts_by_itself_only_when_it_was_told_to() -> None:
    for autostart, expected in ((True, State.EXECUTE), (False, State.STOPPED)):
        supervision = Supervision(Machine(), autostart=autostart)
        for step in range(20):
            moving = supervision.machine.state in (State.STARTING, State.EXECUTE)
            supervision.step(RUNNING if moving else WELL, 0.02 * step)
        assert supervision.machine.state is expected
        assert not supervision.starting


def test_start_waits_until_devices_are_ready() -> None:
    supervision = Supervision(Machine(), autostart=True)
    for step in range(10):
        supervision.step(dataclasses.replace(WELL, not_ready=("gripper: activating",)), 0.02 * step)
    assert supervision.machine.state is State.STOPPED
    assert supervision.starting
    supervision.step(WELL, 1.0)
    assert supervision.machine.state is State.RESETTING


def test_crashed_cell_stays_aborted_when_nobody_clears_it() -> None:
    left, cleared = Supervision(Machine(State.ABORTED), autostart=True), Supervision(Machine(State.ABORTED), clear=True)
    for step in range(20):
        for supervision in (left, cleared):
            moving = supervision.machine.state in (State.STARTING, State.EXECUTE)
            supervision.step(RUNNING if moving else WELL, 0.02 * step)
    assert left.machine.state is State.ABORTED
    assert cleared.machine.state is State.EXECUTE


@pytest.mark.parametrize(
    "state", [state for state in State if state not in (State.ABORTING, State.ABORTED, State.CLEARING)]
)
@pytest.mark.parametrize("change", [{"estop_ok": False}, {"curtain_ok": False}])
def test_cell_aborts_from_any_state_when_the_safety_circuit_opens(state: State, change: dict[str, bool]) -> None:
    supervision = Supervision(Machine(state))
    supervision.step(dataclasses.replace(RUNNING, **change), 10.0)
    assert supervision.machine.state is State.ABORTING


@pytest.mark.parametrize("state", [State.ABORTING, State.ABORTED, State.CLEARING])
def test_cell_stays_where_it_is_when_the_circuit_is_open_and_it_has_aborted(state: State) -> None:
    supervision = Supervision(Machine(state))
    supervision.step(dataclasses.replace(RUNNING, estop_ok=False), 10.0)
    assert supervision.machine.state is state


@pytest.mark.parametrize("change", [{"safety_fresh": False}, {"faults": ("gripper: does not answer",)}])
def test_lost_device_aborts_in_motion_and_only_then(change: dict[str, object]) -> None:
    for state in State:
        if state in (State.ABORTING, State.CLEARING):
            continue
        supervision = Supervision(Machine(state))
        supervision.step(dataclasses.replace(RUNNING, picker_idle=False, **change), 10.0)  # type: ignore[arg-type]
        assert (supervision.machine.state is State.ABORTING) is (state in IN_MOTION), state


def test_aborting_ends_when_the_belt_stands_or_after_its_limit() -> None:
    stopped, blind = _in(State.ABORTING), _in(State.ABORTING)
    stopped.step(WELL, 10.1)
    assert stopped.machine.state is State.ABORTED
    unknown = dataclasses.replace(WELL, belt_speed_mps=None)
    blind.step(unknown, 10.0 + ABORTING_LIMIT_S - 0.1)
    assert blind.machine.state is State.ABORTING
    blind.step(unknown, 10.0 + ABORTING_LIMIT_S + 0.1)
    assert blind.machine.state is State.ABORTED


def test_clearing_waits_until_the_circuit_is_closed() -> None:
    supervision = _in(State.ABORTED)
    supervision.command(Event.CLEAR, "op", 11.0)
    supervision.step(dataclasses.replace(WELL, estop_ok=False), 11.1)
    assert supervision.machine.state is State.CLEARING
    supervision.step(WELL, 11.2)
    assert supervision.machine.state is State.STOPPED


@pytest.mark.parametrize(
    ("event", "acting", "end"),
    [(Event.STOP, State.STOPPING, State.STOPPED), (Event.HOLD, State.HOLDING, State.HELD),
     (Event.SUSPEND, State.SUSPENDING, State.SUSPENDED), (Event.COMPLETE, State.COMPLETING, State.COMPLETE)],
)  # fmt: skip
def test_controlled_end_waits_for_belt_and_hand(event: Event, acting: State, end: State) -> None:
    supervision = _in(State.EXECUTE)
    supervision.command(event, "op", 11.0)
    supervision.step(dataclasses.replace(WELL, picker_idle=False), 11.1)
    supervision.step(dataclasses.replace(RUNNING, picker_idle=True), 11.2)
    assert supervision.machine.state is acting
    supervision.step(WELL, 11.3)
    assert supervision.machine.state is end


def test_start_waits_for_the_belts_speed_and_aborts_when_it_never_comes() -> None:
    supervision = Supervision(Machine(State.IDLE))
    supervision.step(WELL, 5.0)
    supervision.command(Event.START, "op", 10.0)
    supervision.step(dataclasses.replace(WELL, belt_speed_mps=0.1), 11.0)
    assert supervision.machine.state is State.STARTING
    supervision.step(dataclasses.replace(WELL, belt_speed_mps=0.1), 10.1 + ACTING_LIMIT_S)
    assert supervision.machine.state is State.ABORTING


def test_fault_inside_holds_and_trouble_outside_suspends() -> None:
    held, suspended = _in(State.EXECUTE), _in(State.EXECUTE)
    held.step(dataclasses.replace(RUNNING, hold="lost a part"), 11.0)
    suspended.step(dataclasses.replace(RUNNING, suspend="disk full", hold="lost a part"), 11.0)
    assert (held.machine.state, held.machine.reason) == (State.HOLDING, "lost a part")
    assert (suspended.machine.state, suspended.machine.reason) == (State.SUSPENDING, "disk full")
    held.step(WELL, 12.0)
    for step in range(50):
        held.step(WELL, 13.0 + step)
    assert held.machine.state is State.HELD


def test_command_is_refused_and_changes_nothing_when_the_state_does_not_take_it() -> None:
    supervision = _in(State.STOPPED)
    answer = supervision.command(Event.START, "op", 11.0)
    assert isinstance(answer, Refusal)
    assert answer.reason
    assert supervision.machine.state is State.STOPPED


def test_operators_command_ends_the_start_up() -> None:
    supervision = Supervision(Machine(), autostart=True)
    supervision.step(WELL, 0.0)
    assert supervision.machine.state is State.RESETTING
    supervision.command(Event.STOP, "op", 0.1)
    for step in range(10):
        supervision.step(WELL, 0.2 + 0.1 * step)
    assert supervision.machine.state is State.STOPPED


def test_clear_is_given_although_a_drive_has_tripped_and_reset_only_when_it_is_well() -> None:
    supervision = Supervision(Machine(State.ABORTED), clear=True)
    tripped = dataclasses.replace(WELL, not_ready=("drive: the drive has tripped",))
    for step in range(5):
        supervision.step(tripped, 0.02 * step)
    assert supervision.machine.state is State.STOPPED
    assert supervision.starting
    supervision.step(WELL, 1.0)
    assert supervision.machine.state is State.RESETTING
