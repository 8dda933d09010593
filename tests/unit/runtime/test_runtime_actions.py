"""Actions: coroutine servers, feedback, cancellation, pre-emption, results."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from action_msgs.srv import CancelGoal
from builtin_interfaces.msg import Time as TimeMsg
from control_msgs.action import FollowJointTrajectory, ParallelGripperCommand
from rclpy.action import ActionClient, ActionServer, CancelResponse, GoalResponse, get_action_names_and_types
from rclpy.exceptions import InvalidHandle, NoTypeSupportImportedException
from rclpy.qos import qos_profile_action_status_default, qos_profile_services_default
from rclpy.task import Future
from unique_identifier_msgs.msg import UUID

from cell.runtime.transport import Endpoint

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


def cancel(graph: Any, arm: Arm, goal_id: Any = None, stamp: Any = None) -> Any:
    """Sends a cancel request of any kind; gives the response."""
    request = CancelGoal.Request()
    if goal_id is not None:
        request.goal_info.goal_id = goal_id
    if stamp is not None:
        request.goal_info.stamp = stamp
    client = graph.node("canceller").create_client(CancelGoal, "/arm/follow/_action/cancel_goal")
    future = client.call_async(request)
    graph.executor.spin_until_idle()
    return future.result()


def start_three(graph: Any, arm: Arm) -> list[Any]:
    """Three goals, accepted at 1 s, 2 s and 3 s."""
    handles = []
    for second in (1, 2, 3):
        graph.set_time(second * 10**9)
        handles.append(send(graph, arm))
    return handles


@pytest.mark.parametrize(
    ("which", "until_s", "canceled"),
    [(None, None, [0, 1, 2]), (None, 2, [0, 1]), (2, 1, [0, 2]), (1, None, [1]), (0, 3, [0, 1, 2])],
)
def test_the_meant_goals_are_cancelled_when_id_or_time_is_given(
    graph: Any, which: int | None, until_s: int | None, canceled: list[int]
) -> None:
    arm = Arm(graph)
    handles = start_three(graph, arm)
    goal_id = None if which is None else handles[which].goal_id
    response = cancel(graph, arm, goal_id, None if until_s is None else TimeMsg(sec=until_s))
    assert response.return_code == CancelGoal.Response.ERROR_NONE
    expected = [bytes(handles[number].goal_id.uuid) for number in canceled]
    assert [bytes(info.goal_id.uuid) for info in response.goals_canceling] == expected
    states = [handle.status == GoalStatus.STATUS_CANCELING for handle in handles]
    assert states == [number in canceled for number in range(3)]


def test_cancellation_is_refused_when_goal_is_unknown_or_being_cancelled(graph: Any) -> None:
    arm = Arm(graph)
    handle = send(graph, arm)
    assert cancel(graph, arm, UUID(uuid=bytes(range(16)))).return_code == CancelGoal.Response.ERROR_UNKNOWN_GOAL_ID
    assert len(cancel(graph, arm, handle.goal_id).goals_canceling) == 1
    assert cancel(graph, arm, handle.goal_id).return_code == CancelGoal.Response.ERROR_GOAL_TERMINATED
    assert cancel(graph, arm).return_code == CancelGoal.Response.ERROR_NONE


def test_goal_is_not_cancelled_when_it_ends_while_the_callback_decides(graph: Any) -> None:
    gate: Future[CancelResponse] = Future()

    async def decide(_: Any) -> CancelResponse:
        return await gate  # type: ignore[return-value]

    arm = Arm(graph, cancel_callback=decide)
    handle = send(graph, arm)
    answer = handle.cancel_goal_async()
    graph.executor.spin_until_idle()
    arm.move(graph, "done")
    gate.set_result(CancelResponse.ACCEPT)
    graph.executor.spin_until_idle()
    assert len(answer.result().goals_canceling) == 0
    assert handle.status == GoalStatus.STATUS_SUCCEEDED


def test_status_reaches_late_subscribers_when_goals_are_known(graph: Any) -> None:
    arm = Arm(graph)
    handle = send(graph, arm)
    got: list[Any] = []
    watcher = graph.node("watcher")
    watcher.create_subscription(
        GoalStatusArray, "/arm/follow/_action/status", got.append, qos_profile_action_status_default
    )
    graph.executor.spin_until_idle()
    (entry,) = got[-1].status_list
    assert entry.goal_info.goal_id == handle.goal_id and entry.status == GoalStatus.STATUS_EXECUTING


def test_results_expire_one_by_one_when_their_time_is_over(graph: Any) -> None:
    arm = Arm(graph, result_timeout=5.0)
    first, second = send(graph, arm), send(graph, arm)
    graph.set_time(10 * 10**9)
    arm.move(graph, "done")
    graph.set_time(12 * 10**9)
    arm.move(graph, "done")
    known = []
    for second_of_time in (14, 15, 16, 17, 30):
        graph.set_time(second_of_time * 10**9)
        graph.executor.spin_until_idle()
        known.append(len(arm.server._goal_handles))
    assert known == [2, 1, 1, 0, 0]
    results = [handle.get_result_async() for handle in (first, second)]
    graph.executor.spin_until_idle()
    assert {result.result().status for result in results} == {GoalStatus.STATUS_UNKNOWN}


def test_results_stay_when_time_out_is_negative(graph: Any) -> None:
    arm = Arm(graph, result_timeout=-1)
    handle = send(graph, arm)
    arm.move(graph, "done")
    graph.set_time(10**15)
    graph.executor.spin_until_idle()
    result = handle.get_result_async()
    graph.executor.spin_until_idle()
    assert result.result().status == GoalStatus.STATUS_SUCCEEDED


def test_goal_runs_through_its_handle_when_server_has_no_execute_callback(graph: Any) -> None:
    kept: list[Any] = []
    node = graph.node("node")
    server: Any = ActionServer(node, ParallelGripperCommand, "/gripper", handle_accepted_callback=kept.append)
    client: Any = ActionClient(node, ParallelGripperCommand, "/gripper")
    future = client.send_goal_async(ParallelGripperCommand.Goal())
    graph.executor.spin_until_idle()
    result = future.result().get_result_async()
    kept[0].execute()
    assert kept[0].status == GoalStatus.STATUS_EXECUTING
    kept[0].succeed(ParallelGripperCommand.Result(stalled=True))
    graph.executor.spin_until_idle()
    assert result.result().result.stalled and future.result().status == GoalStatus.STATUS_SUCCEEDED
    assert server.get_num_entities().num_services == client.get_num_entities().num_clients == 3


def test_goal_waits_for_an_executor_when_none_runs_its_node(graph: Any) -> None:
    arm = Arm(graph, handle_accepted_callback=lambda _: None)
    send(graph, arm)
    (handle,) = arm.server._goal_handles.values()
    graph.executor.remove_node(arm.node)
    handle.execute()
    graph.executor.spin_until_idle()
    assert arm.gates == []
    graph.executor.add_node(arm.node)
    graph.executor.spin_until_idle()
    assert len(arm.gates) == 1


def test_callback_can_end_when_server_is_destroyed_under_it(graph: Any) -> None:
    arm = Arm(graph, handle_accepted_callback=lambda handle: (kept.append(handle), handle.execute()))
    kept: list[Any] = []
    result = send(graph, arm).get_result_async()
    graph.executor.spin_until_idle()
    arm.server.destroy()
    arm.server.destroy()
    assert not kept[0].is_active and kept[0].status == GoalStatus.STATUS_UNKNOWN
    arm.move(graph, "feedback")
    arm.gates.pop(0).set_result("done")
    kept[0].succeed()
    graph.executor.spin_until_idle()
    assert arm.ended == ["preempted"] and not result.done()


def test_second_goal_is_refused_when_it_has_the_id_of_another(graph: Any) -> None:
    arm = Arm(graph)
    goal_id = UUID(uuid=bytes(range(16)))
    assert send(graph, arm, goal_uuid=goal_id).accepted
    assert not send(graph, arm, goal_uuid=goal_id).accepted
    assert len(arm.gates) == 1


def test_unexpected_responses_are_ignored_when_a_server_answers_twice(graph: Any, capfd: Any) -> None:
    node = graph.node("node")
    client: Any = ActionClient(node, ParallelGripperCommand, "/gripper")
    replies: list[Any] = []

    class Twice:
        endpoint = Endpoint(
            "service",
            "/gripper/_action/send_goal",
            ParallelGripperCommand.Impl.SendGoalService,
            qos_profile_services_default,
            node=("far", "/"),
            location="wire",
        )

        def request(self, request: Any, reply: Any) -> None:
            replies.append(reply)

    node._rcl_bus.add_server(Twice())
    assert not client.server_is_ready()
    future = client.send_goal_async(ParallelGripperCommand.Goal())
    for _ in range(2):
        replies[0](ParallelGripperCommand.Impl.SendGoalService.Response(accepted=True))
    graph.executor.spin_until_idle()
    assert future.result().accepted
    assert "unexpected goal response" in "".join(capfd.readouterr())


def test_node_takes_its_actions_along_when_it_is_destroyed(graph: Any) -> None:
    arm = Arm(graph)
    watcher = graph.node("watcher")
    send(graph, arm)
    assert [name for name, _ in get_action_names_and_types(watcher)] == ["/arm/follow"]
    # As in rclpy, an action's services stand in no list of the node.
    assert not any("_action" in service.service_name for service in arm.node.services)
    arm.node.destroy_node()
    assert not arm.client.server_is_ready()
    with pytest.raises(InvalidHandle):
        arm.server.__enter__()


def test_nothing_is_kept_when_both_ends_are_destroyed(graph: Any) -> None:
    node = graph.node("gripper")
    before = len(node._rcl_bus.endpoints())

    def execute(handle: Any) -> Any:
        handle.succeed()
        return ParallelGripperCommand.Result()

    def use() -> list[Any]:
        server = ActionServer(node, ParallelGripperCommand, "/gripper", execute)
        client: Any = ActionClient(node, ParallelGripperCommand, "/gripper")
        future = client.send_goal_async(ParallelGripperCommand.Goal())
        graph.executor.spin_until_idle()
        assert future.result().accepted
        server.destroy()
        client.destroy()
        return [weakref.ref(server), weakref.ref(client)]

    ends = use()
    gc.collect()
    assert [end() for end in ends] == [None, None]
    assert len(node._rcl_bus.endpoints()) == before


@pytest.mark.parametrize("kind", [ActionClient, ActionServer])
def test_bad_arguments_are_refused_when_making_ends(graph: Any, kind: Any) -> None:
    node = graph.node("node")
    with pytest.raises(ValueError, match="invalid topic name"):
        kind(node, ParallelGripperCommand, "bad name")
    with pytest.raises(NoTypeSupportImportedException):
        kind(node, CancelGoal, "/gripper")
    with pytest.raises(TypeError):
        ActionServer(node, ParallelGripperCommand, "/gripper", execute_callback="no")  # type: ignore[arg-type]
    assert get_action_names_and_types(node) == []
