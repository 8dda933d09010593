"""An arm's driver behind FollowJointTrajectory, with a driver of the test's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionClient
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from cell.drivers.interfaces import ArmPoint, ArmStatus, Motion, MotionState, Reading
from cell.drivers.registry import use_devices
from cell.nodes.arm import ArmNode
from cell.nodes.node import ERROR, OK


class FakeArm:
    """Does what the test says."""

    name = "arm"
    joints = ("a", "b")
    connected = True
    error: str | None = None

    def __init__(self) -> None:
        self.motion: Motion | None = None
        self.asked: list[tuple[tuple[ArmPoint, ...], float]] = []
        self.stops = 0
        self.refuses = ""
        self.status: Reading[ArmStatus] | None = None

    def follow(self, points: Sequence[ArmPoint], *, start_s: float) -> int:
        self.asked.append((tuple(points), start_s))
        state = MotionState.REFUSED if self.refuses else MotionState.RUNNING
        self.motion = Motion(len(self.asked), state, self.refuses)
        return len(self.asked)

    def stop(self) -> None:
        self.stops += 1
        assert self.motion is not None
        self.motion = Motion(self.motion.number, MotionState.STOPPED, "stopped")


class Hands:
    """The node, its driver and a client."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.arm = FakeArm()
        use_devices(SimpleNamespace(open=lambda spec: self.arm, clock=lambda: bench.now_s + 100.0))  # type: ignore[arg-type]
        self.heard = bench.heard(JointState, "/joint_states")
        self.node = bench.make(ArmNode, device__model="fake", device__port="tcp://10.0.0.2")
        self.client: ActionClient[Any, Any, Any] = ActionClient(
            bench.tester, FollowJointTrajectory, "/arm/follow_joint_trajectory"
        )
        self.step()

    def step(self, seconds: float = 0.05) -> None:
        now_s = self.bench.now_s + 100.0
        self.arm.status = Reading(ArmStatus((0.1, 0.2), (0.0, 0.0), True, False, False, 0), now_s, True)
        self.bench.go(self.bench.now_s + seconds)

    def send(self, names: Sequence[str] = ("a", "b")) -> Any:
        point = JointTrajectoryPoint(positions=[1.0, 2.0], velocities=[0.0, 0.5], time_from_start=Duration(sec=2))
        trajectory = JointTrajectory(joint_names=list(names), points=[point])
        sent = self.client.send_goal_async(FollowJointTrajectory.Goal(trajectory=trajectory))
        self.step()
        return sent.result()


@pytest.fixture
def hands(bench: Any) -> Iterator[Hands]:
    yield Hands(bench)
    use_devices(None)


def test_joints_are_published_once_a_reading_when_they_are_good(hands: Hands) -> None:
    hands.step()
    assert list(hands.heard[-1].name) == ["a", "b"]
    assert list(hands.heard[-1].position) == [0.1, 0.2]
    count = len(hands.heard)
    assert hands.arm.status is not None
    hands.arm.status = Reading(hands.arm.status.value, hands.bench.now_s + 100.01, False)
    hands.bench.go(hands.bench.now_s + 0.2)
    assert len(hands.heard) == count


def test_goal_succeeds_when_the_motion_is_done(hands: Hands) -> None:
    handle = hands.send(names=("b", "a"))
    assert handle.accepted
    points, start_s = hands.arm.asked[0]
    # In the driver's order, on the bus's clock.
    assert points == (ArmPoint(2.0, (2.0, 1.0), (0.5, 0.0)),)
    assert start_s == pytest.approx(hands.bench.now_s + 100.0, abs=0.1)
    result = handle.get_result_async()
    hands.step()
    assert not result.done()
    hands.arm.motion = Motion(1, MotionState.DONE)
    hands.step()
    assert result.result().status == GoalStatus.STATUS_SUCCEEDED
    assert result.result().result.error_code == FollowJointTrajectory.Result.SUCCESSFUL


def test_goal_is_aborted_with_the_reason_when_the_motion_is_refused(hands: Hands) -> None:
    hands.arm.refuses = "it begins 0.9 rad from where the arm stands"
    result = hands.send().get_result_async()
    hands.step()
    assert result.result().status == GoalStatus.STATUS_ABORTED
    assert result.result().result.error_code == FollowJointTrajectory.Result.INVALID_GOAL
    assert result.result().result.error_string == hands.arm.refuses


def test_arm_brakes_when_the_goal_is_cancelled(hands: Hands) -> None:
    handle = hands.send()
    result = handle.get_result_async()
    handle.cancel_goal_async()
    hands.step()
    assert hands.arm.stops == 1
    assert result.result().status == GoalStatus.STATUS_CANCELED


def test_goal_is_rejected_when_its_joints_are_another_arms(hands: Hands) -> None:
    assert not hands.send(names=("a", "elbow")).accepted
    assert hands.arm.asked == []


def test_older_goal_is_aborted_when_a_newer_one_comes(hands: Hands) -> None:
    first = hands.send().get_result_async()
    second = hands.send().get_result_async()
    hands.arm.motion = Motion(2, MotionState.DONE)
    hands.step()
    assert first.result().status == GoalStatus.STATUS_ABORTED
    assert second.result().status == GoalStatus.STATUS_SUCCEEDED


def test_health_is_the_drivers_word_when_it_has_one(hands: Hands) -> None:
    assert hands.node.health()[0].level == OK
    hands.arm.error = "protective stop: a person has to release it"
    assert (hands.node.health()[0].level, hands.node.health()[0].message) == (ERROR, hands.arm.error)
