"""A controller with a defect turns the table red; the same case without it is green."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from cell import reconciliation
from cell.drivers.registry import process_devices
from cell.nodes.conveyor import ConveyorNode
from cell.nodes.picker import PickerNode
from cell.nodes.supervisor import SupervisorNode
from cell.packml import Event, State
from cell.safety import Gate
from sim.faults.evaluation import Entry

Try = Callable[[str, str, int], Entry]
Patch = Callable[[pytest.MonkeyPatch], None]


def restarts_by_itself(patches: pytest.MonkeyPatch) -> None:
    """Aborted, and the cause is gone: it clears, resets and starts as if somebody had asked."""
    step = SupervisorNode._step
    onwards = {State.ABORTED: Event.CLEAR, State.STOPPED: Event.RESET, State.IDLE: Event.START}

    def stepped(node: Any) -> None:
        step(node)
        event = onwards.get(State(node.machine.state))
        ran = any(change.target is State.ABORTING for change in node.machine.history)
        if event is not None and ran:
            node.give(event, "nobody")

    patches.setattr(SupervisorNode, "_step", stepped)


def opens_on_an_emergency_stop(patches: pytest.MonkeyPatch) -> None:
    """The hand lets go as soon as the cell aborts."""
    on_state = PickerNode._on_state

    def heard(node: Any, message: Any) -> None:
        before = node._state
        on_state(node, message)
        if node._state is State.ABORTING and before is not State.ABORTING:
            # Past every gate: by the driver itself.
            process_devices().opened["gripper"].move(0.085, speed_mps=0.15, force_n=60.0)

    patches.setattr(PickerNode, "_on_state", heard)


def counts_a_dropped_part_as_sorted(patches: pytest.MonkeyPatch) -> None:
    """What fell is booked as if it lay in its bin."""
    end = PickerNode._end

    def ended(node: Any, outcome: Any, now_s: float) -> None:
        if outcome.word == "dropped":
            outcome = dataclasses.replace(outcome, word="sorted", bin="defect")
        end(node, outcome, now_s)

    patches.setattr(PickerNode, "_end", ended)


def picks_by_a_stale_picture(patches: pytest.MonkeyPatch) -> None:
    """How old the newest picture is, nobody asks."""
    patches.setattr(Gate, "_freshness", lambda *_: None)


def counts_a_part_twice_after_a_loss_of_power(patches: pytest.MonkeyPatch) -> None:
    """Every part that the camera shows after a restart is a new one."""
    patches.setattr(reconciliation.Search, "find", lambda *_: None)


def moves_in_held(patches: pytest.MonkeyPatch) -> None:
    """The belt goes on a while after the cell stands in Held."""
    on_state = ConveyorNode._on_state

    def heard(node: Any, message: Any) -> None:
        on_state(node, message)
        if State(message.state) is State.HELD:
            node._drive.run(0.2)

    patches.setattr(ConveyorNode, "_on_state", heard)


def goes_on_in_an_emergency(patches: pytest.MonkeyPatch) -> None:
    """The arm's client does not stop the arm, and the next motion is given all the same."""
    patches.setattr(Gate, "stop_cause", lambda *_: None)
    patches.setattr(SupervisorNode, "_step", lambda node: None if _pressed(node) else _genuine_step(node))


def _pressed(node: Any) -> bool:
    reading = node._inputs.safety
    return reading is not None and not reading.value.estop_ok


_genuine_step = SupervisorNode._step

DEFECTS: tuple[tuple[Patch, str, str, int, str], ...] = (
    (restarts_by_itself, "emergency_stop", "idle", 3, "unasked_restarts"),
    (opens_on_an_emergency_stop, "emergency_stop", "carry", 3, "forbidden_motions"),
    (counts_a_dropped_part_as_sorted, "part_dropped", "carry", 3, "ledger_errors"),
    (picks_by_a_stale_picture, "stale_image", "approach", 3, "forbidden_motions"),
    (counts_a_part_twice_after_a_loss_of_power, "power_loss", "idle", 3, "ledger_errors"),
    (moves_in_held, "part_dropped", "carry", 3, "unasked_restarts"),
    (goes_on_in_an_emergency, "emergency_stop", "approach", 3, "reaction"),
)


@pytest.mark.parametrize("defect", DEFECTS, ids=[defect[0].__name__ for defect in DEFECTS])
def test_table_is_red_when_a_defect_is_planted(
    entry: Try, monkeypatch: pytest.MonkeyPatch, defect: tuple[Patch, str, str, int, str]
) -> None:
    plant, fault, phase, seed, column = defect
    plant(monkeypatch)
    found = entry(fault, phase, seed)
    plain = found.as_dict()
    assert plain["injected"] == 1
    assert found.red
    if column == "reaction":
        assert plain["reaction"] != plain["expected_reaction"]
    else:
        assert plain[column] > 0, found.verdicts


@pytest.mark.parametrize(("fault", "phase", "seed"), sorted({(defect[1], defect[2], defect[3]) for defect in DEFECTS}))
def test_table_is_green_when_nothing_is_planted(entry: Try, fault: str, phase: str, seed: int) -> None:
    found = entry(fault, phase, seed)
    assert found.red == [], found.verdicts
