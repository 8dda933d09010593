"""Messages, services, actions and the graph between processes of one machine."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest
from rclpy.action import ActionClient
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Int32, String
from std_srvs.srv import SetBool


def image(height: int, size: int) -> Image:
    return Image(height=height, data=np.full(size, height % 256, np.uint8))


@pytest.mark.parametrize("size", [0, 64, 5_000, 50_000, 70_000, 3_000_000])
def test_message_comes_back_when_another_process_echoes_it(machine: Any, size: int) -> None:
    node = machine.node()
    got: list[str] = []
    node.create_subscription(String, "pong", lambda message: got.append(message.data), 10)
    publisher = node.create_publisher(String, "ping", 10)
    machine.start("echo")
    machine.spin_until(lambda: publisher.get_subscription_count() == 1)
    for number in range(5):
        publisher.publish(String(data=str(number) * size))
        machine.spin_until(lambda number=number: len(got) == number + 1)
    assert got == [str(number) * size for number in range(5)]


def test_graph_shows_foreign_endpoints_when_a_process_joins_and_forgets_them_when_it_is_killed(machine: Any) -> None:
    node = machine.node()
    process = machine.start("echo")
    machine.spin_until(lambda: node.count_publishers("pong") == 1)
    assert ("echo", "/") in node.get_node_names_and_namespaces()
    (info,) = node.get_publishers_info_by_topic("/pong")
    assert (info.node_name, info.topic_type) == ("echo", "std_msgs/msg/String")
    assert (info.qos_profile.history, info.qos_profile.depth) == (HistoryPolicy.KEEP_LAST, 10)
    assert str(info.topic_type_hash).startswith("RIHS01_")
    assert any(info.endpoint_gid)
    process.kill()
    assert machine.context._bus.wait_for(lambda: "echo" not in node.get_node_names(), 10.0)
    assert node.count_publishers("pong") == 0


def test_processes_do_not_meet_when_their_domains_differ(machine: Any) -> None:
    node = machine.node()
    machine.start("echo", ROS_DOMAIN_ID=str(machine.domain - 100))
    inside = machine.start("serve")
    machine.spin_until(lambda: "serve" in node.get_node_names())
    assert "echo" not in node.get_node_names()
    inside.kill()


def test_service_answers_when_it_is_in_another_process(machine: Any) -> None:
    node = machine.node()
    client = node.create_client(SetBool, "switch")
    process = machine.start("serve")
    assert client.wait_for_service(10.0)
    futures = [client.call_async(SetBool.Request(data=bool(number % 2))) for number in range(20)]
    machine.spin_until(lambda: all(future.done() for future in futures))
    assert [future.result().success for future in futures] == [bool(number % 2) for number in range(20)]
    assert futures[0].result().message == str(process.pid)


def test_request_stays_pending_and_service_is_found_again_when_its_process_is_killed(machine: Any) -> None:
    node = machine.node()
    client = node.create_client(SetBool, "switch")
    process = machine.start("mute")
    assert client.wait_for_service(10.0)
    lost = client.call_async(SetBool.Request())
    process.kill()
    machine.spin_until(lambda: not client.service_is_ready())
    machine.start("serve")
    assert client.wait_for_service(10.0)
    answered = client.call_async(SetBool.Request(data=True))
    machine.spin_until(answered.done)
    assert answered.result().success
    assert not lost.done()


def test_action_succeeds_with_feedback_when_its_server_is_in_another_process(machine: Any) -> None:
    from control_msgs.action import ParallelGripperCommand

    node = machine.node()
    client = ActionClient(node, ParallelGripperCommand, "grip")
    machine.start("act")
    assert client.wait_for_server(10.0)
    feedback: list[Any] = []
    goal = client.send_goal_async(ParallelGripperCommand.Goal(), feedback_callback=feedback.append)
    machine.spin_until(goal.done)
    result = goal.result().get_result_async()
    machine.spin_until(result.done)
    assert result.result().result.reached_goal
    machine.spin_until(lambda: feedback)
    assert feedback[0].feedback.state.position[0] == 0.5


def test_late_reader_gets_the_last_samples_once_when_writer_is_transient_local(machine: Any) -> None:
    node = machine.node()
    machine.start("latch")
    latched: list[int] = []
    volatile: list[int] = []
    again: list[int] = []
    profile = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(Int32, "numbers", lambda message: volatile.append(message.data), 5)
    node.create_subscription(Int32, "numbers", lambda message: latched.append(message.data), profile)
    machine.spin_until(lambda: len(latched) == 3)
    node.create_subscription(Int32, "numbers", lambda message: again.append(message.data), profile)
    machine.spin_until(lambda: len(again) == 3)
    assert (latched, again, volatile) == ([7, 8, 9], [7, 8, 9], [])


def test_images_arrive_read_only_when_their_size_grows(machine: Any) -> None:
    node = machine.node()
    publisher = node.create_publisher(Image, "image", 5)
    reader = machine.start("count", "5")
    machine.spin_until(lambda: publisher.get_subscription_count() == 1)
    for number in range(60):
        size = 20_000 + 40_000 * (number // 4)
        sent = image(number, size)
        expected = f"image {number} {size} {int(np.asarray(sent.data)[::997].sum())} False"
        publisher.publish(sent)
        assert reader.expect("image") == expected


def test_images_stay_as_they_were_when_reader_keeps_more_than_there_are_slots(machine: Any) -> None:
    node = machine.node()
    publisher = node.create_publisher(Image, "image", 5)
    reader = machine.start("keep", "60")
    machine.spin_until(lambda: publisher.get_subscription_count() == 1)
    for turn in range(3):
        for number in range(60):
            publisher.publish(image(number, 100_000))
            reader.expect(f"kept {number + 1}")
        assert reader.expect("same" if turn < 3 else "") == "same"


def test_big_messages_arrive_when_iceoryx2_cannot_be_imported(
    machine: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "iceoryx2", None)
    node = machine.node()
    publisher = node.create_publisher(Image, "image", 5)
    reader = machine.start("count", "5")
    machine.spin_until(lambda: publisher.get_subscription_count() == 1)
    for number in range(5):
        publisher.publish(image(number, 2_000_000))
        assert reader.expect("image").startswith(f"image {number} 2000000 ")
    assert not machine.leftovers()


def test_publisher_learns_whether_its_messages_were_taken_when_the_reader_is_another_process(machine: Any) -> None:
    publisher = machine.node().create_publisher(Int32, "numbers", 100)
    assert publisher.wait_for_all_acked(Duration(seconds=0.0))
    process = machine.start("count", "100")
    machine.spin_until(lambda: publisher.get_subscription_count() == 1)
    for number in range(50):
        publisher.publish(Int32(data=number))
    assert publisher.wait_for_all_acked(Duration(seconds=30.0))
    process.expect("number 49")
    os.kill(process.pid, signal.SIGSTOP)
    publisher.publish(Int32(data=50))
    assert not publisher.wait_for_all_acked(Duration(seconds=0.05))
    os.kill(process.pid, signal.SIGCONT)
    assert publisher.wait_for_all_acked(Duration(seconds=30.0))
    os.kill(process.pid, signal.SIGSTOP)
    publisher.publish(Int32(data=51))
    process.kill()
    # Who is gone is not waited for.
    assert publisher.wait_for_all_acked()


def test_subscription_hears_of_liveliness_when_the_publisher_is_in_another_process(machine: Any) -> None:
    node, changes = machine.node(), []
    qos = QoSProfile(
        depth=5, liveliness=LivelinessPolicy.MANUAL_BY_TOPIC, liveliness_lease_duration=Duration(seconds=1.0)
    )

    def listen() -> list[tuple[int, int]]:
        seen: list[tuple[int, int]] = []
        changes.append(seen)
        events = SubscriptionEventCallbacks(
            liveliness=lambda event: seen.append((event.alive_count, event.not_alive_count))
        )
        node.create_subscription(String, "sign", lambda _: None, qos, event_callbacks=events)
        return seen

    first = listen()
    publisher = node.create_publisher(String, "wake", 5)
    process = machine.start("falter")
    machine.spin_until(lambda: first and first[-1] == (0, 1))
    # Who comes late finds it silent.
    late = listen()
    machine.spin_until(lambda: late and late[-1] == (0, 1))
    machine.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(String())
    machine.spin_until(lambda: (1, 0) in first[1:] and (1, 0) in late)
    machine.spin_until(lambda: first[-1] == late[-1] == (0, 1))
    process.kill()
    machine.spin_until(lambda: first[-1] == late[-1] == (0, 0))
