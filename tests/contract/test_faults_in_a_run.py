"""What goes wrong in a run is seen, stops what it must stop, and loses no part."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cell.cli.main import main
from cell.launching import default_launch
from cell.ledger import ended_badly
from cell.packml import State
from sim import links
from sim.bench import SimBench

FATES = ("sorted", "passed", "missed", "dropped", "rejected", "unknown")
Look = Callable[[SimBench, State], None]
AFTER_S = 1.0


@pytest.fixture
def go(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs a cell in lockstep in this process; ``look`` sees bench and state at every instant, also for a second after
    the run is over. Gives exit status and report."""

    def run(*words: str, look: Look | None = None, scenario: str = "") -> tuple[int, dict[str, Any]]:
        text = (default_launch().parent / "cell.params.yaml").read_text()
        if scenario:
            (tmp_path / "scenario.yaml").write_text(scenario)
            text += f"\nsim_camera:\n  ros__parameters:\n    scenario: {tmp_path / 'scenario.yaml'}\n"
        (tmp_path / "params.yaml").write_text(text)
        genuine = SimBench.run_lockstep

        def watched(bench: SimBench, *arguments: Any) -> None:
            executor, devices, tell_time, finished, *pace = arguments
            ended: list[float] = []

            def over() -> bool:
                if look is not None:
                    look(bench, finished.state)
                if not ended and finished():
                    ended.append(bench.clock())
                return bool(ended) and (look is None or bench.clock() - ended[0] >= AFTER_S)

            genuine(bench, executor, devices, tell_time, over, *pace)

        monkeypatch.setattr(SimBench, "run_lockstep", watched)
        report = tmp_path / "r.json"
        common = ["--speed", "0", "--headless", "--model", str(model), "--state", str(tmp_path / "state")]
        status = main(["run", f"params:={tmp_path / 'params.yaml'}", *common, "--report", str(report), *words])
        return status, json.loads(report.read_text())

    return run


def _balanced(report: dict[str, Any]) -> bool:
    parts = report["parts"]
    return bool(parts["entered"] == sum(parts[fate] for fate in FATES) + parts["in_flight"])


class EmergencyStop:
    """Presses the button once ``when`` holds, and notes what moves from then on."""

    def __init__(self, when: Callable[[SimBench], bool]) -> None:
        self._when = when
        self.pressed_s: float | None = None
        self.states: list[tuple[float, State]] = []
        self.travel: list[tuple[float, float]] = []
        self.joints: list[tuple[float, tuple[float, ...]]] = []
        self.held: list[bool] = []
        self.widths: list[float] = []

    def __call__(self, bench: SimBench, state: State) -> None:
        now = bench.clock()
        if self.pressed_s is None:
            if not self._when(bench):
                return
            bench.world.cabinet.press_estop()
            self.pressed_s = now
        if not self.states or self.states[-1][1] is not state:
            self.states.append((now - self.pressed_s, state))
        bench.world.advance(now)
        self.travel.append((now - self.pressed_s, bench.world.belt.travel_m))
        self.joints.append((now - self.pressed_s, bench.arm_state()[0]))
        self.held.append(bench.world.held is not None)
        self.widths.append(bench.world.gripper.width_m)

    def moved(self, track: list[tuple[float, Any]], after_s: float) -> bool:
        late = [value for at_s, value in track if at_s >= after_s]
        assert len(late) > 2
        return any(value != late[0] for value in late)


def _carrying(bench: SimBench) -> bool:
    return bench.world.held is not None and bench.world.arm.tool(bench.world.now_s).z_m > 0.05


def test_everything_stands_when_the_emergency_stop_is_pressed_with_a_part_in_the_hand(
    go: Callable[..., tuple[int, dict[str, Any]]], tmp_path: Path
) -> None:
    stop = EmergencyStop(_carrying)
    status, report = go("--parts", "4", "--seed", "1", look=stop)
    assert status == 3
    assert stop.pressed_s is not None
    aborting_s = next(at_s for at_s, state in stop.states if state is State.ABORTING)
    assert 0.0 < aborting_s <= 0.2
    assert stop.states[-1][1] is State.ABORTED
    assert not stop.moved(stop.travel, 0.5)
    assert not stop.moved(stop.joints, 0.5)
    # Without a command the fingers keep what they have.
    assert all(stop.held)
    assert len(set(stop.widths)) == 1
    assert report["packml"]["state"] == "Aborted"
    assert report["packml"]["history"][-2]["reason"] == "emergency stop pressed"
    assert any("emergency stop" in fault["what"] for fault in report["faults"])
    assert _balanced(report)
    # It stands aborted until somebody clears it, also after the process has ended.
    assert ended_badly(tmp_path / "state" / "ledger.sqlite")


def test_arm_does_not_start_when_the_emergency_stop_is_pressed_before_the_first_pick(
    go: Callable[..., tuple[int, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    genuine = SimBench.follow

    def follow(bench: SimBench, *args: Any, **kwargs: Any) -> tuple[int, str] | None:
        told.append(bench.clock())
        return genuine(bench, *args, **kwargs)

    monkeypatch.setattr(SimBench, "follow", follow)
    stop = EmergencyStop(lambda bench: bench.world.belt.travel_m > 0.05)
    status, report = go("--parts", "2", "--seed", "1", look=stop)
    assert status == 3
    assert not stop.moved(stop.travel, 0.5)
    assert not stop.moved(stop.joints, 0.0)
    assert told == []
    assert _balanced(report)


@pytest.mark.parametrize(("line", "device"), [("gripper", "gripper"), ("drive", "drive"), ("cabinet", "safety")])
def test_cell_aborts_when_the_plug_of_a_device_is_pulled(
    go: Callable[..., tuple[int, dict[str, Any]]], line: str, device: str
) -> None:
    pulled: list[float] = []

    def look(bench: SimBench, state: State) -> None:
        if not pulled and bench.world.belt.travel_m > 0.3:
            hall = links._Current.hall
            assert hall is not None
            hall.unplug(line)
            pulled.append(bench.clock())
        if pulled and state is State.ABORTING and len(pulled) == 1:
            pulled.append(bench.clock())

    status, report = go("--parts", "3", "--seed", "1", look=look)
    assert status == 3
    assert pulled[1] - pulled[0] < 1.5
    reason = next(change["reason"] for change in report["packml"]["history"] if change["to"] == "Aborting")
    assert device in reason or line in reason or "encoder" in reason
    assert report["faults"]
    assert _balanced(report)


def test_parts_are_missed_when_the_fingers_never_hold_one(go: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    status, report = go("--parts", "3", "--seed", "1", scenario="grip:\n  position_m: 0.0000001\n")
    assert status == 0
    assert report["parts"]["sorted"] == 0
    assert report["parts"]["missed"] == 2
    assert report["parts"]["in_flight"] == 0
    assert _balanced(report)


def test_unattended_run_ends_aborted_when_a_lost_part_holds_the_cell(
    go: Callable[..., tuple[int, dict[str, Any]]],
) -> None:
    status, report = go("--parts", "3", "--seed", "1", scenario="grip:\n  slip_share: 1.0\n")
    assert status == 3
    entered = [change["to"] for change in report["packml"]["history"]]
    assert entered[-4:] == ["Holding", "Held", "Aborting", "Aborted"]
    assert report["parts"]["dropped"] == 1
    assert report["parts"]["sorted"] == 0
    assert any("lost" in fault["what"] for fault in report["faults"])
    assert _balanced(report)


def test_cell_aborts_when_the_light_curtain_is_interrupted(go: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    def look(bench: SimBench, _state: State) -> None:
        if bench.world.belt.travel_m > 0.3:
            bench.world.cabinet.interrupt_curtain()

    status, report = go("--parts", "3", "--seed", "1", look=look)
    assert status == 3
    assert any("light curtain" in fault["what"] for fault in report["faults"])
    assert _balanced(report)
