from __future__ import annotations

import pytest

from cell.packml import ACTING, COMMANDS, EDGES, Event, Machine, Mode, Refusal, State, Transition, allowed_commands

# The table of ISA-TR88.00.02 written out a second time, by numbers, as the facts give it.
_SINGLE = {
    (9, "CLEAR"): 1,
    (2, "RESET"): 15,
    (17, "RESET"): 15,
    (4, "START"): 3,
    (6, "HOLD"): 10,
    (11, "UNHOLD"): 12,
    (6, "SUSPEND"): 13,
    (5, "UNSUSPEND"): 14,
    (6, "COMPLETE"): 16,
}
_DONE = {8: 9, 1: 2, 7: 2, 15: 4, 3: 6, 6: 16, 16: 17, 10: 11, 12: 6, 13: 5, 14: 6}


def _expected(state: int, event: Event) -> int | None:
    if event is Event.ABORT:
        return None if state in (8, 9) else 8
    if event is Event.STOP:
        return 7 if state in (3, 4, 5, 6, *range(10, 18)) else None
    if event is Event.STATE_COMPLETE:
        return _DONE.get(state)
    return _SINGLE.get((state, event.name))


@pytest.mark.parametrize("event", list(Event), ids=lambda event: event.name)
@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
def test_cell_of_the_table_is_taken_or_refused_when_event_arrives(state: State, event: Event) -> None:
    machine = Machine(state)
    result = machine.handle(event, "why", 3.0)
    target = _expected(int(state), event)
    if target is None:
        assert isinstance(result, Refusal)
        assert result.state is state and result.event is event
        assert state.title in result.reason
        assert machine.state is state and machine.history == ()
    else:
        assert result == Transition(state, State(target), event, "why", 3.0)
        assert machine.state is State(target)
        assert machine.reason == "why"
        assert machine.history == (result,)


def test_table_has_47_accepted_cells_and_46_edges_when_counted() -> None:
    assert len(State) * len(Event) == 187
    assert len(EDGES) == 47
    assert len({(source, target) for (source, _), target in EDGES.items()}) == 46


def test_numbers_are_those_of_the_standard_when_listed() -> None:
    assert [state.name for state in sorted(State)] == [
        "CLEARING", "STOPPED", "STARTING", "IDLE", "SUSPENDED", "EXECUTE", "STOPPING", "ABORTING", "ABORTED", "HOLDING",
        "HELD", "UNHOLDING", "SUSPENDING", "UNSUSPENDING", "RESETTING", "COMPLETING", "COMPLETE",
    ]  # fmt: skip
    assert [(int(event), name) for event, name in COMMANDS.items()] == list(
        enumerate(
            ["Reset", "Start", "Stop", "Hold", "Unhold", "Suspend", "Unsuspend", "Abort", "Clear", "Complete"], start=1
        )
    )


def test_only_acting_states_complete_when_state_complete_is_given() -> None:
    assert {state for state, event in EDGES if event is Event.STATE_COMPLETE} == ACTING


def test_cell_goes_once_round_when_commanded_in_order() -> None:
    machine = Machine(State.ABORTED)
    for event in (
        Event.CLEAR, Event.STATE_COMPLETE, Event.RESET, Event.STATE_COMPLETE, Event.START, Event.STATE_COMPLETE,
        Event.HOLD, Event.STATE_COMPLETE, Event.UNHOLD, Event.STATE_COMPLETE, Event.SUSPEND, Event.STATE_COMPLETE,
        Event.UNSUSPEND, Event.STATE_COMPLETE, Event.COMPLETE, Event.STATE_COMPLETE, Event.RESET,
    ):  # fmt: skip
        assert isinstance(machine.handle(event), Transition)
    assert machine.state is State.RESETTING
    assert len(machine.history) == 17


def test_history_keeps_the_newest_when_it_is_full() -> None:
    machine = Machine(State.STOPPED, keep=2)
    for at_s, event in enumerate((Event.RESET, Event.STOP, Event.STATE_COMPLETE)):
        machine.handle(event, at_s=float(at_s))
    assert [transition.at_s for transition in machine.history] == [1.0, 2.0]


def test_mode_changes_only_in_rest_when_asked() -> None:
    machine = Machine(State.STOPPED)
    assert machine.set_mode(Mode.MAINTENANCE) is None
    assert machine.mode == Mode.MAINTENANCE
    assert machine.set_mode(0) is not None
    machine.handle(Event.RESET)
    refusal = machine.set_mode(Mode.PRODUCE)
    assert refusal is not None and "Resetting" in refusal
    assert machine.mode == Mode.MAINTENANCE
    assert machine.set_mode(Mode.MAINTENANCE) is None


def test_allowed_commands_are_those_of_the_table_when_in_execute() -> None:
    assert allowed_commands(State.EXECUTE) == (
        Event.STOP, Event.HOLD, Event.SUSPEND, Event.ABORT, Event.COMPLETE,
    )  # fmt: skip
    assert allowed_commands(State.ABORTED) == (Event.CLEAR,)
