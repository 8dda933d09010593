"""The wire against Cyclone DDS's C library, and against another process of ours."""

from __future__ import annotations

from typing import Any

LOOPBACK = "<General><Interfaces><NetworkInterface address='127.0.0.1'/></Interfaces></General>"
LOOPBACK = f"<CycloneDDS><Domain>{LOOPBACK}</Domain></CycloneDDS>"


def test_strings_and_the_type_hash_arrive_when_cyclone_listens(graph, cyclone_peer, start_peer, until):
    from std_msgs.msg import String

    from cell.runtime.type_description import type_hash

    publisher = graph.node("talker").create_publisher(String, "/chatter", 100)
    peer = start_peer(cyclone_peer, "listen", 100, CYCLONEDDS_URI=LOOPBACK)
    until(lambda: publisher.get_subscription_count() == 1)
    # That side may find ours a moment later than ours finds it: the first word is said until it is heard.
    until(lambda: publisher.publish(String(data="first")) or any(x.startswith("string") for x in peer.lines))
    for number in range(100):
        publisher.publish(String(data=f"to Cyclone {number}"))
    peer.line("done")
    heard = [line for line in peer.lines if line.startswith("string to")]
    assert heard == [f"string to Cyclone {number}" for number in range(len(heard))]
    assert heard
    assert peer.line("user data") == f"user data typehash={type_hash(String)};"


def test_strings_arrive_in_order_when_cyclone_talks(graph, cyclone_peer, start_peer, until):
    from std_msgs.msg import String

    got: list[str] = []
    subscription = graph.node("listener").create_subscription(
        String, "/chatter", lambda message: got.append(message.data), 1000
    )
    peer = start_peer(cyclone_peer, "talk", 100, CYCLONEDDS_URI=LOOPBACK)
    peer.line("matched 1")
    until(lambda: subscription.get_publisher_count() == 1)
    peer.go()
    until(lambda: len(got) >= 100)
    assert got == [f"from Cyclone {number}" for number in range(100)]


def test_feedback_and_result_arrive_when_an_action_runs_over_the_wire(graph, own_peer, until):
    from control_msgs.action import ParallelGripperCommand
    from rclpy.action import ActionClient

    own_peer("action_server")
    client = ActionClient(graph.node("asking"), ParallelGripperCommand, "/gripper/command")
    assert client.wait_for_server(30.0)
    feedback: list[Any] = []
    goal = ParallelGripperCommand.Goal()
    goal.command.position = [0.02]
    sent = client.send_goal_async(goal, feedback_callback=lambda message: feedback.append(message.feedback))
    until(sent.done)
    handle = sent.result()
    assert handle is not None
    assert handle.accepted
    result = handle.get_result_async()
    until(result.done)
    assert result.result().status == 4
    assert list(result.result().result.state.position) == [0.02]
    until(lambda: len(feedback) == 3)
    client.destroy()


def test_the_last_messages_arrive_when_a_reader_comes_late(graph, own_peer, until):
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from std_msgs.msg import String

    own_peer("late_words")
    got: list[str] = []
    profile = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    graph.node("late").create_subscription(String, "/kept", lambda message: got.append(message.data), profile)
    until(lambda: len(got) >= 2)
    assert got == ["two", "three"]
