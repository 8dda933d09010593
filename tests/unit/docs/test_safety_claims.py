"""What `docs/safety.md` says of the cell's reactions, line by line, against the code that reacts."""

from __future__ import annotations

import dataclasses
import re

import pytest
from markdown_pages import ROOT, Page

from cell.nodes import supervisor
from cell.packml import Event, Machine, State
from cell.safety import Allowed, Gate, Motion, Permission, SafetyInputs, SafetyLimits
from cell.supervision import ACTING_LIMIT_S, BELT_RUNS, ENDING, IN_MOTION, SILENT, Observations, Supervision

WELL = Observations(
    estop_ok=True,
    curtain_ok=True,
    safety_fresh=True,
    faults=(),
    not_ready=(),
    belt_speed_mps=0.2,
    belt_target_mps=0.2,
    picker_idle=False,
)


@pytest.fixture
def row(page: dict[str, Page]):
    """The row of the table of inputs that begins so."""
    rows = page["safety.md"].table("what is seen", "by")

    def find(start: str) -> list[str]:
        (found,) = (entry for entry in rows if entry[0].startswith(start))
        return found

    return find


def after(state: State, seen: Observations) -> State:
    """The state behind one look at a cell that was in ``state``."""
    supervision = Supervision(Machine(state))
    supervision.step(seen, 0.0)
    return supervision.machine.state


def aborting(seen: Observations) -> set[State]:
    """The states in which this makes the cell abort."""
    return {state for state in State if state is not State.ABORTING and after(state, seen) is State.ABORTING}


@pytest.mark.parametrize(
    ("start", "seen"),
    [
        ("emergency stop open", dataclasses.replace(WELL, estop_ok=False)),
        ("light curtain interrupted", dataclasses.replace(WELL, curtain_ok=False)),
    ],
)
def test_cell_aborts_in_every_state_that_is_named_when_a_contact_opens(row, start: str, seen: Observations) -> None:
    assert row(start)[2] == "all but Aborting, Aborted, Clearing"
    assert {State.ABORTING, State.ABORTED, State.CLEARING} == SILENT
    assert aborting(seen) == set(State) - SILENT
    assert row(start)[3] == "Abort"


@pytest.mark.parametrize(
    ("start", "seen"),
    [
        ("safety inputs not read", dataclasses.replace(WELL, safety_fresh=False)),
        ("drive, encoder, gripper", dataclasses.replace(WELL, faults=("drive: does not answer",))),
        ("a node is silent", dataclasses.replace(WELL, faults=("detector: silent for 2.1 s",))),
    ],
)
def test_cell_aborts_in_motion_when_something_is_lost(row, start: str, seen: Observations) -> None:
    assert row(start)[2] == "belt runs, a controlled end, Held, Suspended"
    assert BELT_RUNS | ENDING | {State.HELD, State.SUSPENDED} == IN_MOTION
    assert aborting(seen) == IN_MOTION
    assert row(start)[3].startswith("Abort")


def test_cell_is_not_reset_when_the_inputs_are_not_read() -> None:
    seen = dataclasses.replace(WELL, safety_fresh=False)
    assert after(State.RESETTING, seen) is State.RESETTING
    assert after(State.RESETTING, WELL) is State.IDLE
    assert after(State.CLEARING, seen) is State.CLEARING
    for open_contact in ({"estop_ok": False}, {"curtain_ok": False}):
        assert after(State.CLEARING, dataclasses.replace(WELL, **open_contact)) is State.CLEARING
    assert after(State.CLEARING, WELL) is State.STOPPED


def test_figures_are_those_of_the_code_when_written(row) -> None:
    limits = SafetyLimits()
    assert f"older than {limits.image_age_s:g} s" in row("newest picture")[0]
    assert f"belt position older than {limits.encoder_age_s:g} s" in row("newest picture")[0]
    assert f"for {limits.inputs_age_s:g} s" in row("no word of the supervisor")[0]
    assert f"{limits.tool_speed_mps:g} m/s or {limits.tool_accel_mps2:g} m/s²" in row("a trajectory")[0]
    assert f"within {ACTING_LIMIT_S:g} s" in row("an acting state")[0]
    assert f"silent for {supervisor.HEARTBEAT_LIMIT_S:g} s" in row("a node is silent")[0]
    source = (ROOT / "cell" / "parameters.py").read_text()
    default = re.search(r"inputs_age_s: Positive = Field\(default=([\d.]+)", source)
    assert default is not None
    assert f"for {float(default.group(1)):g} s" in row("safety inputs not read")[0]


def test_acting_state_aborts_when_it_does_not_end(row) -> None:
    stuck = dataclasses.replace(WELL, belt_speed_mps=0.1)
    for state in (BELT_RUNS | ENDING) - {State.EXECUTE}:
        supervision = Supervision(Machine(state))
        supervision.step(stuck, 0.0)
        supervision.step(stuck, ACTING_LIMIT_S - 0.1)
        assert supervision.machine.state is state
        supervision.step(stuck, ACTING_LIMIT_S + 0.1)
        assert supervision.machine.state is State.ABORTING


def test_gate_lets_nothing_begin_when_what_it_knows_is_old() -> None:
    gate, now_s = Gate(), 10.0
    known = SafetyInputs(
        State.EXECUTE, estop_ok=True, curtain_ok=True, inputs_stamp_s=10.0, encoder_stamp_s=10.0, image_stamp_s=10.0
    )
    assert gate.permission(known, now_s)[0] is Permission.BEGIN
    for old in ({"image_stamp_s": 9.4}, {"encoder_stamp_s": 9.7}):
        assert gate.permission(dataclasses.replace(known, **old), now_s)[0] is Permission.FINISH
    assert gate.permission(dataclasses.replace(known, inputs_stamp_s=9.7), now_s)[0] is Permission.NONE
    for state in State:
        allowed = isinstance(gate.check(Motion.PICK, dataclasses.replace(known, state=state), now_s), Allowed)
        assert allowed == (state is State.EXECUTE), state


def test_hold_and_suspend_follow_when_a_pick_or_the_ledger_fails(row) -> None:
    assert row("a pick fails")[3] == "Hold"
    assert after(State.EXECUTE, dataclasses.replace(WELL, hold="part lost")) is State.HOLDING
    assert row("the ledger cannot be written")[3] == "Suspend"
    assert after(State.EXECUTE, dataclasses.replace(WELL, suspend="disk full")) is State.SUSPENDING


def test_nothing_restarts_when_all_is_well_again() -> None:
    for state in (State.ABORTED, State.STOPPED, State.IDLE, State.HELD, State.COMPLETE):
        supervision = Supervision(Machine(state))
        for step in range(200):
            supervision.step(dataclasses.replace(WELL, picker_idle=True, belt_speed_mps=0.0), 0.1 * step)
        assert supervision.machine.state is state
    refused = Machine(State.ABORTED)
    for event in (Event.RESET, Event.START):
        refused.handle(event, "somebody", 0.0)
        assert refused.state is State.ABORTED


def test_page_claims_no_level_when_read() -> None:
    text = (ROOT / "docs" / "safety.md").read_text()
    assert "**no safety function**" in text
    assert not re.search(r"\b(?:PL ?[a-e]|SIL ?[1-4]|Cat(?:egory)? ?[34B])\b", text)
    assert "from 20 January 2027 Regulation (EU) 2023/1230" in text
