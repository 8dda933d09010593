"""Both cells, with two fingers and with a suction cup, as wholes in simulated time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cell.cli.main import main
from cell.launching import default_launch
from sim import links
from sim.bench import SimBench

# Few parts, all of them to be picked.
SCENARIO = "feed: {defective_share: 1.0, rate_per_min: 24.0}\n"
ABORTED = 3
LAUNCH = {"fingers": "cell", "cup": "vacuum"}
Look = Callable[[SimBench, Any], None]


@pytest.fixture
def go(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs the cell with that hand in this process; ``look`` sees bench and state at every instant."""

    def run(hand: str, *words: str, look: Look | None = None, scenario: str = SCENARIO) -> tuple[int, dict[str, Any]]:
        launch = default_launch().parent / f"{LAUNCH[hand]}.launch.yaml"
        text = launch.with_suffix("").with_suffix(".params.yaml").read_text()
        (tmp_path / "scenario.yaml").write_text(scenario)
        written = f"    scenario: {tmp_path / 'scenario.yaml'}\n"
        if "sim_camera:" in text:
            text = text.replace("sim_camera:\n  ros__parameters:\n", f"sim_camera:\n  ros__parameters:\n{written}")
        else:
            text += f"\nsim_camera:\n  ros__parameters:\n{written}"
        (tmp_path / "params.yaml").write_text(text)
        genuine = SimBench.run_lockstep

        def watched(bench: SimBench, *arguments: Any) -> None:
            executor, devices, tell_time, finished, *pace = arguments

            def over() -> bool:
                if look is not None:
                    look(bench, finished.state)
                return bool(finished())

            genuine(bench, executor, devices, tell_time, over, *pace)

        monkeypatch.setattr(SimBench, "run_lockstep", watched)
        report = tmp_path / "r.json"
        common = ["--speed", "0", "--headless", "--state", str(tmp_path / "state"), "--report", str(report)]
        status = main(["run", str(launch), f"params:={tmp_path / 'params.yaml'}", *common, *words])
        links.use(None)
        return status, json.loads(report.read_text())

    return run


@pytest.mark.parametrize("hand", ["fingers", "cup"])
def test_cell_holds_and_the_part_is_dropped_when_it_slips_out_on_its_way(go: Callable[..., Any], hand: str) -> None:
    lost: list[float] = []

    def slip(bench: SimBench, state: Any) -> None:
        if not lost and bench.world.holds is not None and bench.world.arm.tool(bench.world.now_s).z_m > 0.09:
            bench.world.lose_held()
            lost.append(bench.clock())

    status, report = go(hand, "--parts", "1", "--seed", "11", look=slip)
    assert lost
    # Nobody is there to confirm it.
    assert status == ABORTED
    assert report["parts"]["dropped"] == 1
    assert any("lost from the gripper" in fault["what"] for fault in report["faults"])
    assert "Held" in [change["to"] for change in report["packml"]["history"]]


def test_part_is_placed_slowly_and_the_cell_holds_when_the_cup_leaks(go: Callable[..., Any]) -> None:
    leaked: list[float] = []

    def leak(bench: SimBench, state: Any) -> None:
        if not leaked and bench.world.holds is not None and bench.world.arm.tool(bench.world.now_s).z_m > 0.05:
            assert bench.leak is not None
            bench.leak(0.6)
            leaked.append(bench.clock())

    status, report = go("cup", "--parts", "1", "--seed", "11", look=leak)
    assert status == ABORTED
    assert leaked
    assert report["parts"]["sorted"] + report["parts"]["rejected"] == 1
    assert report["parts"]["dropped"] == 0
    assert any("the cup leaks" in fault["what"] for fault in report["faults"])
    assert "Held" in [change["to"] for change in report["packml"]["history"]]


@pytest.mark.parametrize("hand", ["fingers", "cup"])
def test_every_part_is_sorted_when_the_first_grip_of_one_lost_it_at_once(go: Callable[..., Any], hand: str) -> None:
    lost: list[int] = []

    def slip(bench: SimBench, state: Any) -> None:
        # On the belt still: the fingers, or the cup, come for it again where it should be by now.
        if not lost and bench.world.holds is not None:
            lost.append(bench.world.holds)
            bench.world.lose_held()

    status, report = go(hand, "--parts", "3", "--seed", "11", look=slip)
    assert status == 0
    assert lost
    assert report["parts"]["sorted"] + report["parts"]["rejected"] == 3
    assert report["faults"] == []
    assert report["packml"]["state"] == "Complete"


def test_both_parts_are_rejected_once_when_a_hand_brings_two(
    go: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The feeder keeps more between two parts than a hand could reach over: here it reaches further.
    monkeypatch.setattr("sim.world.world._STICKS_M", 0.30)
    monkeypatch.setattr("cell.bookkeeping.NEIGHBOUR_M", 0.32)
    benches: list[SimBench] = []

    def stick(bench: SimBench, state: Any) -> None:
        if not benches:
            benches.append(bench)
            bench.world.stick_to_next(0.010)

    pairs = "feed: {defective_share: 1.0, rate_per_min: 24.0, arrivals: batch, batch_size: 2}\n"
    status, report = go("fingers", "--parts", "2", "--seed", "11", look=stick, scenario=pairs)
    assert status == 0
    assert report["parts"]["rejected"] == 2
    assert report["faults"] == []
    assert benches[0].world.referee.counts() == {"bin:reject": 2}
