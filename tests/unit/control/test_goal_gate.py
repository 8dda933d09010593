"""Whose goals move arm and gripper, and in which state and mode."""

from __future__ import annotations

import dataclasses

import pytest

from cell import passes
from cell.causes import Reaction
from cell.conditions import Circuit, Report, by_reaction, of_circuit, of_reports, of_silence
from cell.liveness import Silent
from cell.packml import MODE_CHANGE_STATES, Event, Machine, Mode, Refusal, State
from cell.safety import BY_HAND, PERMITTED, Motion, goal_refusal
from cell.supervision import GRACE_S, Observations, Supervision

WELL = Observations(
    estop_ok=True, curtain_ok=True, safety_fresh=True, faults=(), not_ready=(), belt_speed_mps=0.0,
    belt_target_mps=0.2, picker_idle=True,
)  # fmt: skip


@pytest.mark.parametrize("mode", [*Mode, 4])
@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("state", list(State))
def test_goal_is_carried_out_only_where_the_table_says(state: State, ours: bool, mode: int) -> None:
    by_hand = mode == Mode.MANUAL and state in (State.STOPPED, State.IDLE)
    by_cell = ours and mode == Mode.PRODUCE and state in PERMITTED[Motion.HOME]
    refusal = goal_refusal(state, mode, ours=ours, word_age_s=0.1)
    assert (refusal is None) is (by_hand or by_cell), refusal
    if state in (State.ABORTING, State.ABORTED):
        assert refusal is not None
    # Nothing at all moves without a fresh word of the supervisor.
    assert goal_refusal(state, mode, ours=ours, word_age_s=1.0) is not None
    assert goal_refusal(state, mode, ours=ours, word_age_s=float("nan")) is not None


def test_nothing_moves_when_nobody_has_said_in_which_state_the_cell_is() -> None:
    assert goal_refusal(None, Mode.MANUAL, ours=True, word_age_s=0.0) is not None


def test_pass_is_known_once_and_only_when_it_was_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    issued = passes.issue()
    assert passes.admits(issued)
    assert not passes.admits(issued)
    for strange in ("", "cell:", "cell:zz", "cell:" + "00" * 16, "width", passes.issue()[:-1] + "g"):
        assert not passes.admits(strange)
    goal = passes.goal_id()
    assert passes.is_ours(goal)
    assert not passes.is_ours(bytes(16))
    assert not passes.is_ours(goal[:-1])
    assert len({passes.goal_id() for _ in range(100)}) == 100


@pytest.mark.parametrize("state", list(State))
def test_mode_changes_only_in_wait_states(state: State) -> None:
    supervision = Supervision(Machine(state))
    refusal = supervision.change_mode(Mode.MANUAL)
    assert (refusal is None) is (state in MODE_CHANGE_STATES)
    assert supervision.machine.mode == (Mode.MANUAL if refusal is None else Mode.PRODUCE)
    assert supervision.change_mode(0) is not None
    assert supervision.change_mode(9) is not None


def test_start_is_refused_in_manual_and_accepted_in_maintenance() -> None:
    for mode, state in ((Mode.MANUAL, State.IDLE), (Mode.MAINTENANCE, State.STARTING), (Mode.PRODUCE, State.STARTING)):
        supervision = Supervision(Machine(State.IDLE))
        assert supervision.change_mode(mode) is None
        answer = supervision.command(Event.START, "op", 1.0)
        assert isinstance(answer, Refusal) is (mode is Mode.MANUAL)
        assert supervision.machine.state is state


@pytest.mark.parametrize("state", sorted(BY_HAND))
def test_cell_in_manual_aborts_when_the_safety_inputs_are_lost(state: State) -> None:
    supervision = Supervision(Machine(state, Mode.MANUAL))
    supervision.step(WELL, 1.0)
    supervision.step(dataclasses.replace(WELL, safety_fresh=False), 1.0 + GRACE_S)
    assert supervision.machine.state is State.ABORTING
    produce = Supervision(Machine(state))
    produce.step(WELL, 1.0)
    produce.step(dataclasses.replace(WELL, safety_fresh=False), 1.0 + GRACE_S)
    assert produce.machine.state is state


def _report(name: str, *, failed: bool = False, at_s: float = 0.0, **values: str) -> Report:
    return Report(name, failed, "words", values, at_s if failed else None)


def test_reports_become_conditions_by_their_cause() -> None:
    none: frozenset[str] = frozenset()
    found = of_reports(
        [
            _report("drive", failed=True, cause="device_lost"),
            _report("gripper", failed=True),
            _report("belt", cause="jam"),
            _report("picker", hold="lost the part", phase="idle"),
            _report("ledger", suspend="disk full"),
            _report("status", failed=True, cause="node_silent"),
            _report("tracker", cause="no such cause"),
        ],
        frozenset({"status"}),
        1.0,
        0.5,
    )
    assert set(found) == {
        "device_lost:drive", "device_fault:gripper", "jam", "part_dropped", "ledger_room", "not_well:status",
    }  # fmt: skip
    assert by_reaction(found, Reaction.ABORT) == ("drive: words", "gripper: words")
    assert by_reaction(found, Reaction.HOLD) == ("words", "lost the part")
    assert by_reaction(found, Reaction.SUSPEND) == ("disk full",)
    assert of_reports([_report("picker", hold="stuck", hold_cause="vacuum_leak")], none, 1.0) == {
        "vacuum_leak": "stuck"
    }


def test_device_may_be_away_for_a_moment_and_a_process_not() -> None:
    reports = [
        _report("drive", failed=True, at_s=1.0, cause="device_lost"),
        _report("tracker", failed=True, at_s=1.0, cause="node_silent"),
    ]
    assert set(of_reports(reports, frozenset(), 1.1, 0.15)) == {"node_silent:tracker"}
    assert set(of_reports(reports, frozenset(), 1.2, 0.15)) == {"node_silent:tracker", "device_lost:drive"}


def test_circuit_and_silence_become_conditions() -> None:
    assert of_circuit(Circuit(None, None, False)) == {}
    assert set(of_circuit(Circuit(False, False, False))) == {"emergency_stop", "light_curtain", "safety_inputs"}
    assert of_circuit(Circuit(True, True, True)) == {}
    assert set(of_silence([Silent("picker", 0.1), Silent("status", 4.0)], frozenset({"status"}))) == {
        "node_silent:picker", "spectator_silent:status",
    }  # fmt: skip
