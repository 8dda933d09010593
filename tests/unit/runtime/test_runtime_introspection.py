"""Service introspection: what services, clients and actions publish of what passes through them."""

from __future__ import annotations

from typing import Any

import pytest
from control_msgs.action import ParallelGripperCommand
from rclpy.action import ActionClient, ActionServer
from rclpy.qos import QoSProfile
from rclpy.service_introspection import ServiceIntrospectionState
from service_msgs.msg import ServiceEventInfo
from std_srvs.srv import SetBool

ORDER = [
    ServiceEventInfo.REQUEST_SENT,
    ServiceEventInfo.REQUEST_RECEIVED,
    ServiceEventInfo.RESPONSE_SENT,
    ServiceEventInfo.RESPONSE_RECEIVED,
]


class Switch:
    """A service and its client, and what they publish."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.node = graph.node("switch", sim_time=True)
        self.server = self.node.create_service(SetBool, "switch", self.answer)
        self.client = self.node.create_client(SetBool, "switch")
        self.events: list[Any] = []
        graph.node("watcher").create_subscription(SetBool.Event, "/switch/_service_event", self.events.append, 10)

    @staticmethod
    def answer(request: Any, response: Any) -> Any:
        response.success = request.data
        return response

    def configure(self, state: Any) -> None:
        for end in (self.server, self.client):
            end.configure_introspection(self.node.get_clock(), QoSProfile(depth=10), state)

    def call(self) -> None:
        self.client.call_async(SetBool.Request(data=True))
        self.graph.executor.spin_until_idle()


def test_nothing_is_published_when_introspection_is_off(graph: Any) -> None:
    switch = Switch(graph)
    switch.call()
    switch.configure(ServiceIntrospectionState.CONTENTS)
    switch.configure(ServiceIntrospectionState.OFF)
    switch.call()
    assert switch.events == []
    assert switch.node.get_publishers_info_by_topic("/switch/_service_event") == []


def test_events_tell_who_called_when_metadata_is_on(graph: Any) -> None:
    switch = Switch(graph)
    graph.set_time(5_000_000_001)
    switch.configure(ServiceIntrospectionState.METADATA)
    switch.call()
    switch.call()
    assert sorted(event.info.event_type for event in switch.events) == sorted(ORDER * 2)
    assert [event.info.sequence_number for event in switch.events].count(1) == 4
    assert {bytes(event.info.client_gid) for event in switch.events} == {switch.client.endpoint.gid}
    assert {(event.info.stamp.sec, event.info.stamp.nanosec) for event in switch.events} == {(5, 1)}
    assert all(len(event.request) == len(event.response) == 0 for event in switch.events)


def test_events_hold_messages_when_contents_are_on(graph: Any) -> None:
    switch = Switch(graph)
    switch.configure(ServiceIntrospectionState.CONTENTS)
    switch.call()
    by_type = {event.info.event_type: event for event in switch.events}
    sent, received, answered, taken = (by_type[kind] for kind in ORDER)
    assert sent.request[0].data and received.request[0].data
    assert answered.response[0].success and taken.response[0].success
    assert len(sent.response) == len(received.response) == len(answered.request) == len(taken.request) == 0


def test_topic_is_gone_when_its_owners_are_destroyed(graph: Any) -> None:
    switch = Switch(graph)
    switch.configure(ServiceIntrospectionState.METADATA)
    topic = "/switch/_service_event"
    assert len(switch.node.get_publishers_info_by_topic(topic)) == 2
    switch.node.destroy_service(switch.server)
    switch.node.destroy_client(switch.client)
    assert switch.node.get_publishers_info_by_topic(topic) == []


def test_other_states_are_refused_when_configuring(graph: Any) -> None:
    with pytest.raises(TypeError):
        Switch(graph).configure("metadata")


def test_all_three_services_tell_when_an_action_is_introspected(graph: Any) -> None:
    def execute(handle: Any) -> Any:
        handle.succeed()
        return ParallelGripperCommand.Result()

    node = graph.node("gripper")
    names = {
        "send_goal": ParallelGripperCommand.Impl.SendGoalService,
        "cancel_goal": ParallelGripperCommand.Impl.CancelGoalService,
        "get_result": ParallelGripperCommand.Impl.GetResultService,
    }
    seen: dict[str, list[int]] = {name: [] for name in names}
    for name, kind in names.items():

        def note(event: Any, name: str = name) -> None:
            seen[name].append(event.info.event_type)

        node.create_subscription(kind.Event, f"/gripper/_action/{name}/_service_event", note, 10)
    server = ActionServer(node, ParallelGripperCommand, "/gripper", execute)
    client: Any = ActionClient(node, ParallelGripperCommand, "/gripper")
    for end in (server, client):
        end.configure_introspection(node.get_clock(), QoSProfile(depth=10), ServiceIntrospectionState.METADATA)
    future = client.send_goal_async(ParallelGripperCommand.Goal())
    graph.executor.spin_until_idle()
    future.result().get_result_async()
    future.result().cancel_goal_async()
    graph.executor.spin_until_idle()
    assert {name: sorted(events) for name, events in seen.items()} == dict.fromkeys(names, ORDER)
