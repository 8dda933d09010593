"""Tracker, policy, camera and supervisor on the embedded executor, with messages in place of the other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cell_msgs.msg import AlarmArray, CellState, Part, PartArray, PartOutcome, PickDecision
from cell_msgs.srv import StateCommand
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from cell.drivers.interfaces import Reading, SafetyStatus
from cell.drivers.registry import use_devices
from cell.nodes import belt, detections
from cell.nodes.camera import CameraNode
from cell.nodes.node import ERROR, OK, stamp_of, status
from cell.nodes.policy import PolicyNode
from cell.nodes.supervisor import SupervisorNode
from cell.nodes.tracker import TrackerNode
from cell.packml import Event, State
from perception.errors import InputError
from perception.types import Box, PartView


def _belt(stamp_s: float, travel_m: float, speed_mps: float = 0.2) -> JointState:
    return belt.message(Header(stamp=stamp_of(stamp_s)), travel_m, speed_mps, None)


def _seen(stamp_s: float, y_px: float) -> Detection2DArray:
    view = PartView(320.0, y_px, 100.0, 60.0, 0.3, True, 0.9, (Box(320.0, y_px, 9.0, 9.0, "dark", 0.9),))
    return detections.to_message((view,), Header(stamp=stamp_of(stamp_s)))


def test_part_is_followed_to_its_verdict_when_pictures_and_belt_go_on(bench: Any, spots_model: Path) -> None:
    heard = bench.heard(PartArray, "/parts")
    bench.make(TrackerNode, model=str(spots_model))
    say_belt, say_seen = bench.says(JointState, "/conveyor/state"), bench.says(Detection2DArray, "/detections")
    # 0.2 m/s at 2 px/mm and 10 pictures/s: 40 px a picture.
    for step in range(14):
        stamp_s = 2.0 + 0.1 * step
        say_belt(_belt(stamp_s, 0.02 * step))
        y_px = 80.0 + 40.0 * step
        empty = detections.to_message((), Header(stamp=stamp_of(stamp_s)))
        say_seen(_seen(stamp_s, y_px) if y_px < 440.0 else empty)
    assert len(heard) == 14
    assert heard[0].header.stamp == stamp_of(2.0)
    last = heard[-1].parts
    assert [part.part_id for part in last] == [1]
    assert last[0].final
    assert last[0].verdict == Part.DEFECTIVE
    assert list(last[0].defects) == ["dark"]
    # Image y 80 px is 160 px above the middle: 80 mm upstream.
    assert last[0].belt_x_m == pytest.approx(-0.08, abs=0.001)
    assert last[0].y_m == pytest.approx(0.0, abs=0.001)
    assert last[0].length_m == pytest.approx(0.05, abs=0.001)


def test_picture_is_counted_blind_when_no_belt_travel_is_known_for_it(bench: Any, spots_model: Path) -> None:
    heard = bench.heard(PartArray, "/parts")
    node = bench.make(TrackerNode, model=str(spots_model))
    say_belt, say_seen = bench.says(JointState, "/conveyor/state"), bench.says(Detection2DArray, "/detections")
    say_belt(_belt(10.0, 1.0))
    say_seen(_seen(2.0, 240.0))
    assert heard == []
    assert node.health()[0].level != OK


def _final(part_id: int, verdict: int, belt_x_m: float = 0.0) -> PartArray:
    part = Part(
        part_id=part_id, stamp=stamp_of(2.0), belt_x_m=belt_x_m, y_m=0.02, length_m=0.06, width_m=0.04,
        verdict=verdict, score=0.9, defects=["dark"], views=3, final=True,
    )  # fmt: skip
    message = PartArray(parts=[part])
    message.header.stamp = stamp_of(2.0)
    return message


def test_arm_gets_one_part_at_a_time_when_two_are_to_leave(bench: Any) -> None:
    decisions = bench.heard(PickDecision, "/decisions")
    bench.make(PolicyNode, name="fifo")
    say_belt, say_parts = bench.says(JointState, "/conveyor/state"), bench.says(PartArray, "/parts")
    say_outcome = bench.says(PartOutcome, "/outcomes")
    bench.at(2.0)
    say_belt(_belt(2.0, 0.0))
    say_parts(_final(1, Part.DEFECTIVE, 0.45))
    say_parts(_final(2, Part.DEFECTIVE, 0.35))
    say_parts(_final(3, Part.GOOD, 0.25))
    say_parts(_final(3, Part.GOOD, 0.25))
    bench.go(2.2)
    told = [(decision.part_id, decision.action) for decision in decisions]
    assert told.count((1, PickDecision.PICK)) == 1
    assert sorted(told) == sorted(
        [(1, PickDecision.DIVERT), (2, PickDecision.DIVERT), (3, PickDecision.PASS), (1, PickDecision.PICK)]
    )
    assert all(decision.policy == "fifo" and decision.image_stamp == stamp_of(2.0) for decision in decisions)
    say_outcome(PartOutcome(part_id=1, fate="sorted", bin="defect"))
    say_belt(_belt(2.2, 0.04))
    bench.go(2.3)
    assert (decisions[-1].part_id, decisions[-1].action) == (2, PickDecision.PICK)


def test_policy_is_refused_when_nobody_knows_it(bench: Any) -> None:
    with pytest.raises(InputError, match="fifo"):
        bench.make(PolicyNode, name="nobody")


def test_pictures_of_a_folder_are_published_when_they_have_the_configured_size(bench: Any, tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 64, 3), 99, np.uint8))
    for width, level in ((64, OK), (65, ERROR)):
        heard = bench.heard(Image, "/camera/image")
        node = bench.make(CameraNode, source=str(tmp_path), width_px=width, height_px=48)
        assert node._camera.wait(timeout_s=10.0) is not None
        bench.at(bench.now_s + 0.02)
        assert len(heard) == (1 if level == OK else 0)
        if level == ERROR:
            assert node.health()[0].level == ERROR
            assert "64x48" in node.health()[0].message
        bench.nodes.remove(node)
        bench.executor.remove_node(node)
        node.destroy_node()


def test_camera_is_named_when_it_cannot_be_opened(bench: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"camera\.source"):
        bench.make(CameraNode, source=str(tmp_path / "nowhere"))


class FakeInputs:
    """The I/O block's safety side, as its driver shows it."""

    def __init__(self) -> None:
        self.safety: Reading[SafetyStatus] | None = None
        self.connected = True
        self.error: str | None = None


class FakeDevices:
    """Hands out the one device that the supervisor opens."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.inputs = FakeInputs()

    def open(self, _spec: Any) -> FakeInputs:
        return self.inputs


class Cell:
    """A supervisor, and everything that it hears in place of the other nodes."""

    def __init__(self, bench: Any, **values: Any) -> None:
        self.bench = bench
        self.devices = FakeDevices(lambda: bench.now_s)
        use_devices(self.devices)  # type: ignore[arg-type]
        self.states = bench.heard(CellState, "/cell/state")
        self.alarms = bench.heard(AlarmArray, "/alarms")
        self.node = bench.make(SupervisorNode, **values)
        self._belt = bench.says(JointState, "/conveyor/state")
        self._health = bench.says(DiagnosticArray, "/diagnostics")
        self.circuit = SafetyStatus(estop_ok=True, curtain_ok=True)
        self.read = True
        self.silent: set[str] = set()
        self.others: tuple[str, ...] = ()
        self.faults: dict[str, str] = {}
        self.speed_mps = 0.0

    def go(self, for_s: float, *, reached: State | None = None) -> None:
        end_s = self.bench.now_s + for_s
        while self.bench.now_s < end_s - 1e-6 and (reached is None or self.state is not reached):
            now_s = round(self.bench.now_s + 0.02, 6)
            if self.read:
                self.devices.inputs.safety = Reading(self.circuit, now_s, True)
            moving = self.state in (State.STARTING, State.EXECUTE)
            self.speed_mps = 0.2 if moving else 0.0
            self._belt(_belt(now_s, 0.0, self.speed_mps))
            message = DiagnosticArray()
            message.header.stamp = stamp_of(now_s)
            for name in ("drive", "encoder", "gripper", "picker", *self.others):
                if name not in self.silent:
                    fault = self.faults.get(name)
                    message.status.append(status(name, ERROR if fault else OK, fault or "connected"))
            self._health(message)
            self.bench.at(now_s)

    @property
    def state(self) -> State:
        return State(self.node.machine.state)


@pytest.fixture
def cell(bench: Any) -> Iterator[Callable[..., Cell]]:
    yield lambda **values: Cell(bench, **values)
    use_devices(None)


def test_cell_runs_by_itself_when_it_may_and_says_so(cell: Callable[..., Cell]) -> None:
    one = cell(autostart=True)
    one.go(2.0, reached=State.EXECUTE)
    assert one.state is State.EXECUTE
    one.go(0.5)
    assert one.states[-1].state_name == "Execute"
    stamps = [message.header.stamp.sec + message.header.stamp.nanosec * 1e-9 for message in one.states[-4:]]
    assert np.diff(stamps) == pytest.approx([0.1] * 3, abs=1e-6)


def test_cell_waits_stopped_when_nobody_starts_it(cell: Callable[..., Cell]) -> None:
    one = cell()
    one.go(1.0)
    assert one.state is State.STOPPED


def test_cell_aborts_at_once_with_an_alarm_when_the_emergency_stop_opens(cell: Callable[..., Cell]) -> None:
    one = cell(autostart=True)
    one.go(2.0, reached=State.EXECUTE)
    one.circuit = SafetyStatus(estop_ok=False, curtain_ok=True)
    pressed_s = one.bench.now_s
    one.go(0.2, reached=State.ABORTING)
    assert one.bench.now_s - pressed_s <= 0.041
    one.go(0.5)
    assert one.state is State.ABORTED
    assert one.states[-1].reason == "emergency stop pressed"
    assert any(alarm.key == "emergency_stop" and "emergency stop" in alarm.message for alarm in one.alarms[-1].alarms)
    one.circuit = SafetyStatus(estop_ok=True, curtain_ok=True)
    one.go(1.0)
    assert one.state is State.ABORTED


def test_cell_aborts_when_the_safety_inputs_are_no_longer_read(cell: Callable[..., Cell]) -> None:
    one = cell(autostart=True, inputs_age_s=0.3)
    one.go(2.0, reached=State.EXECUTE)
    one.read = False
    one.go(0.28)
    assert one.state is State.EXECUTE
    one.go(0.1, reached=State.ABORTING)
    assert one.state is State.ABORTING


@pytest.mark.parametrize("how", ["fault", "silence"])
def test_cell_aborts_and_names_the_device_when_it_fails(cell: Callable[..., Cell], how: str) -> None:
    one = cell(autostart=True)
    one.go(2.0, reached=State.EXECUTE)
    if how == "fault":
        one.faults["gripper"] = "does not answer"
    else:
        one.silent.add("gripper")
    one.go(3.0, reached=State.ABORTING)
    assert one.state is State.ABORTING
    assert one.node.machine.reason.startswith("gripper: ")


@pytest.mark.parametrize(("name", "state"), [("status", State.EXECUTE), ("detector", State.ABORTED)])
def test_loss_of_a_spectator_is_an_alarm_and_of_any_other_node_an_abort(
    cell: Callable[..., Cell], name: str, state: State
) -> None:
    one = cell(autostart=True)
    one.others = (name,)
    one.go(2.0, reached=State.EXECUTE)
    one.faults[name] = "its process ended by SIGKILL"
    one.go(0.3)
    assert one.state is state
    assert any(alarm.key.endswith(f":{name}") and "SIGKILL" in alarm.message for alarm in one.alarms[-1].alarms)


def test_command_is_answered_with_the_state_and_the_reason(cell: Callable[..., Cell], bench: Any) -> None:
    one = cell()
    client = bench.tester.create_client(StateCommand, "/cell/command")

    def ask(command: int) -> Any:
        future = client.call_async(StateCommand.Request(command=command, by="op"))
        bench.executor.spin_until_idle()
        return future.result()

    one.go(0.1)
    start = ask(int(Event.START))
    assert not start.accepted
    assert start.state_name == "Stopped"
    assert "Idle" in start.message
    reset = ask(int(Event.RESET))
    assert reset.accepted
    assert reset.state_name == "Resetting"
    for unknown in (0, 12, 200):
        answer = ask(unknown)
        assert not answer.accepted
        assert answer.message
    one.go(0.5)
    assert one.state is State.IDLE
