"""Actions: coroutine servers, feedback, cancellation, pre-emption, results."""

from __future__ import annotations

from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from control_msgs.action import FollowJointTrajectory, ParallelGripperCommand
from rclpy.action import ActionClient, ActionServer, CancelResponse, GoalResponse, get_action_names_and_types
from rclpy.task import Future

Goal, Result, Feedback = (
    FollowJointTrajectory.Goal,
    FollowJointTrajectory.Result,
    FollowJointTrajectory.Feedback,
)


class Arm:
    """An action server whose goals move on when the test says so."""

    def __init__(self, graph: Any, **options: Any) -> None:
        self.node = graph.node("arm", sim_time=True)
        self.gates: list[Future[str]] = []
        self.ended: list[str] = []
        options.setdefault("cancel_callback", lambda _: CancelResponse.ACCEPT)
        self.server = ActionServer(self.node, FollowJointTrajectory, "/arm/follow", self.execute, **options)
        self.client = ActionClient(graph.node("client", sim_time=True), FollowJointTrajectory, "/arm/follow")

    async def execute(self, handle: Any) -> Any:
        while True:
            gate: Future[str] = Future()
            self.gates.append(gate)
            word = await gate
            if word == "feedback":
                handle.publish_feedback(Feedback(joint_names=["wrist_yaw"]))
            elif not handle.is_active:
                self.ended.append("preempted")
                return Result(error_code=Result.INVALID_GOAL)
            elif word == "cancel":
                handle.canceled()
                self.ended.append("canceled")
                return Result(error_string="canceled")
            elif word == "fail":
                raise ValueError("broken drive")
            elif word == "forget":
                return Result()
            else:
                handle.succeed()
                self.ended.append("done")
                return Result(error_code=Result.SUCCESSFUL, error_string="there")

    def move(self, graph: Any, word: str) -> None:
        self.gates.pop(0).set_result(word)
        graph.executor.spin_until_idle()


def send(graph: Any, arm: Arm, **options: Any) -> Any:
    future = arm.client.send_goal_async(Goal(), **options)
    graph.executor.spin_until_idle()
    return future.result()


def test_goal_runs_to_its_result_when_server_is_a_coroutine(graph: Any) -> None:
    arm = Arm(graph)
    assert arm.client.wait_for_server(timeout_sec=1.0)
    feedback: list[Any] = []
    handle = send(graph, arm, feedback_callback=feedback.append)
    assert handle.accepted
    result = handle.get_result_async()
    arm.move(graph, "feedback")
    arm.move(graph, "feedback")
    assert [entry.feedback.joint_names for entry in feedback] == [["wrist_yaw"], ["wrist_yaw"]]
    assert handle.status == GoalStatus.STATUS_EXECUTING and not result.done()
    arm.move(graph, "done")
    assert result.result().status == GoalStatus.STATUS_SUCCEEDED
    assert result.result().result.error_string == "there"
    late = handle.get_result_async()
    graph.executor.spin_until_idle()
    assert late.result().status == GoalStatus.STATUS_SUCCEEDED


def test_goal_ends_cancelled_when_client_cancels(graph: Any) -> None:
    arm = Arm(graph)
    handle = send(graph, arm)
    result = handle.get_result_async()
    answer = handle.cancel_goal_async()
    graph.executor.spin_until_idle()
    assert len(answer.result().goals_canceling) == 1
    assert handle.status == GoalStatus.STATUS_CANCELING
    arm.move(graph, "cancel")
    assert result.result().status == GoalStatus.STATUS_CANCELED
    again = handle.cancel_goal_async()
    graph.executor.spin_until_idle()
    assert again.result().return_code == CancelGoal.Response.ERROR_GOAL_TERMINATED


def test_goal_goes_on_when_cancellation_is_refused(graph: Any) -> None:
    arm = Arm(graph, cancel_callback=lambda _: CancelResponse.REJECT)
    handle = send(graph, arm)
    answer = handle.cancel_goal_async()
    graph.executor.spin_until_idle()
    assert answer.result().return_code == CancelGoal.Response.ERROR_REJECTED
    result = handle.get_result_async()
    arm.move(graph, "done")
    assert result.result().status == GoalStatus.STATUS_SUCCEEDED


def test_old_goal_is_aborted_when_new_one_preempts_it(graph: Any) -> None:
    current: list[Any] = []

    def accepted(handle: Any) -> None:
        if current and current[-1].is_active:
            current[-1].abort()
        current.append(handle)
        handle.execute()

    arm = Arm(graph, handle_accepted_callback=accepted)
    first = send(graph, arm)
    first_result = first.get_result_async()
    second = send(graph, arm)
    second_result = second.get_result_async()
    arm.move(graph, "look")
    assert first_result.result().status == GoalStatus.STATUS_ABORTED
    assert not second_result.done()
    arm.move(graph, "done")
    assert second_result.result().status == GoalStatus.STATUS_SUCCEEDED
    assert arm.ended == ["preempted", "done"]


def test_goal_is_not_accepted_when_callback_rejects_it(graph: Any) -> None:
    async def decide(_: Any) -> GoalResponse:
        return GoalResponse.REJECT

    arm = Arm(graph, goal_callback=decide)
    assert not send(graph, arm).accepted
    assert arm.gates == []


@pytest.mark.parametrize("word", ["fail", "forget"])
def test_goal_is_aborted_when_callback_raises_or_sets_no_state(graph: Any, word: str) -> None:
    arm = Arm(graph)
    result = send(graph, arm).get_result_async()
    arm.move(graph, word)
    assert result.result().status == GoalStatus.STATUS_ABORTED


def test_result_is_unknown_when_it_has_timed_out(graph: Any) -> None:
    arm = Arm(graph, result_timeout=5.0)
    handle = send(graph, arm)
    arm.move(graph, "done")
    graph.set_time(6_000_000_000)
    send(graph, arm)
    late = handle.get_result_async()
    graph.executor.spin_until_idle()
    assert late.result().status == GoalStatus.STATUS_UNKNOWN


def test_plain_function_serves_when_it_returns_at_once(graph: Any) -> None:
    def execute(handle: Any) -> Any:
        handle.succeed()
        return ParallelGripperCommand.Result(reached_goal=True)

    node = graph.node("gripper")
    ActionServer(node, ParallelGripperCommand, "/gripper/command", execute)
    client = ActionClient(node, ParallelGripperCommand, "/gripper/command")
    future = client.send_goal_async(ParallelGripperCommand.Goal())
    graph.executor.spin_until_future_complete(future, timeout_sec=5.0)
    result = future.result().get_result_async()
    graph.executor.spin_until_future_complete(result, timeout_sec=5.0)
    assert result.result().result.reached_goal
    with pytest.raises(TypeError):
        client.send_goal_async(Goal())
    assert ("/gripper/command", ["control_msgs/action/ParallelGripperCommand"]) in get_action_names_and_types(node)


def test_nothing_serves_when_server_is_destroyed(graph: Any) -> None:
    arm = Arm(graph)
    arm.server.destroy()
    assert not arm.client.server_is_ready()
    arm.client.destroy()
    assert get_action_names_and_types(arm.node) == []
    with pytest.raises(RuntimeError):
        send(graph, arm)


def test_wrong_transition_is_refused_when_goal_has_ended(graph: Any) -> None:
    handles: list[Any] = []
    arm = Arm(graph, handle_accepted_callback=lambda handle: (handles.append(handle), handle.execute()))
    send(graph, arm)
    arm.move(graph, "done")
    with pytest.raises(RuntimeError, match="invalid transition"):
        handles[0].abort()
