"""The wire against Fast DDS 2.9.1: topics, images, services, discovery."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import numpy as np
import pytest

WIDTH, HEIGHT = 1920, 1080
IMAGES = 50
HELLO = 0xFFFFFFFF


def _picture(number: int) -> Any:
    """The picture that both sides know: every 4096th byte is its place plus the number."""
    pixels = np.zeros(HEIGHT * WIDTH * 3, np.uint8)
    places = np.arange(0, pixels.size, 4096)
    pixels[places] = (number + places // 4096) & 255
    return pixels


def _image(number: int) -> Any:
    from builtin_interfaces.msg import Time
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    header = Header(stamp=Time(sec=1_700_000_000, nanosec=number), frame_id="camera")
    return Image(header=header, height=HEIGHT, width=WIDTH, encoding="bgr8", step=WIDTH * 3, data=_picture(number))


def test_strings_arrive_in_order_when_fast_dds_listens(graph, fast_peer, start_peer, until):
    from std_msgs.msg import String

    publisher = graph.node("talker").create_publisher(String, "/chatter", 100)
    peer = start_peer(fast_peer, "listen_string", 100)
    peer.line("matched 1")
    until(lambda: publisher.get_subscription_count() == 1)
    for number in range(100):
        publisher.publish(String(data=f"안녕 {number}"))
    assert peer.count("string ", 100) == [f"string 안녕 {number}" for number in range(100)]


def test_strings_arrive_in_order_when_fast_dds_talks(graph, fast_peer, start_peer, until):
    from std_msgs.msg import String

    heard: list[tuple[str, Any]] = []
    graph.node("listener").create_subscription(
        String, "/chatter", lambda message, info: heard.append((message.data, info)), 1000
    )
    peer = start_peer(fast_peer, "talk_string", 100)
    until(lambda: heard)
    peer.go()
    until(lambda: len([text for text, _ in heard if text != "hello"]) >= 100)
    got = [entry for entry in heard if entry[0] != "hello"]
    assert [text for text, _ in got] == [f"from Fast DDS {number}" for number in range(100)]
    first, last = got[0][1], got[-1][1]
    stamp = "source_timestamp"
    times = [info[stamp] if isinstance(info, dict) else getattr(info, stamp) for info in (first, last)]
    assert 0 < times[0] <= times[1]


def test_every_image_arrives_whole_when_fast_dds_listens(graph, fast_peer, start_peer, until):
    from sensor_msgs.msg import Image

    publisher = graph.node("camera").create_publisher(Image, "/camera/image", IMAGES)
    peer = start_peer(fast_peer, "listen_image", IMAGES)
    peer.line("matched 1")
    until(lambda: publisher.get_subscription_count() == 1)
    for number in range(IMAGES):
        publisher.publish(_image(number))
    assert peer.count("image ", IMAGES) == [f"image {number} good" for number in range(IMAGES)]


def test_every_image_arrives_whole_when_fast_dds_talks(graph, fast_peer, start_peer, until):
    from sensor_msgs.msg import Image

    got: list[tuple[int, bool]] = []
    hello = threading.Event()

    def look(message: Any) -> None:
        number = message.header.stamp.nanosec
        if number == HELLO:
            hello.set()
            return
        whole = (message.width, message.height, message.encoding) == (WIDTH, HEIGHT, "bgr8")
        got.append((number, whole and bool((np.asarray(message.data) == _picture(number)).all())))

    graph.node("viewer").create_subscription(Image, "/camera/image", look, IMAGES)
    peer = start_peer(fast_peer, "talk_image", IMAGES)
    until(hello.is_set)
    peer.go()
    until(lambda: len(got) >= IMAGES)
    assert got == [(number, True) for number in range(IMAGES)]


def test_calls_are_answered_when_fast_dds_serves(graph, fast_peer, start_peer):
    from std_srvs.srv import SetBool

    client = graph.node("caller").create_client(SetBool, "/set_bool")
    peer = start_peer(fast_peer, "serve")
    assert client.wait_for_service(30.0)
    for number in range(1, 21):
        response = client.call(SetBool.Request(data=bool(number % 2)), timeout_sec=30.0)
        assert response is not None
        assert (response.success, response.message) == (
            bool(number % 2),
            "switched on" if number % 2 else "switched off",
        )
    assert len(peer.count("request ", 20)) == 20


@pytest.mark.parametrize("user_data", ["", "clientid=1.2.3.4;"])
def test_calls_are_answered_when_fast_dds_asks(graph, fast_peer, start_peer, user_data):
    from std_srvs.srv import SetBool

    def switch(request: Any, response: Any) -> Any:
        response.success, response.message = request.data, f"set to {request.data}"
        return response

    graph.node("switch").create_service(SetBool, "/set_bool", switch)
    for _ in range(3):
        peer = start_peer(fast_peer, "call", 20, user_data)
        # Its first call can be lost while our reply's writer still looks for it, and it asks each but once.
        with contextlib.suppress(AssertionError):
            peer.wait(lambda lines: "done" in " ".join(lines), 15.0)
            break
        peer.kill()
    expected = [f"reply {0xC0FFEE} {i} {i % 2} set to {bool(i % 2)}" for i in range(1, 21)]
    assert peer.count("reply ", 20) == expected


def test_a_server_leaves_the_graph_when_its_process_dies(graph, fast_peer, start_peer, until):
    from std_srvs.srv import SetBool

    client = graph.node("caller").create_client(SetBool, "/set_bool")
    peer = start_peer(fast_peer, "serve")
    assert client.wait_for_service(30.0)
    peer.close()
    until(lambda: not client.service_is_ready())


def test_our_nodes_and_types_are_told_when_fast_dds_looks(graph, fast_peer, start_peer):
    from rclpy.duration import Duration
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from std_msgs.msg import String
    from std_srvs.srv import SetBool

    from cell.runtime.type_description import type_hash

    node = graph.node("shown", namespace="/cell")
    profile = QoSProfile(depth=3, durability=DurabilityPolicy.TRANSIENT_LOCAL, deadline=Duration(seconds=2))
    node.create_publisher(String, "state", profile)
    node.create_subscription(String, "command", lambda _: None, 1)
    node.create_service(SetBool, "enable", lambda _, response: response)
    peer = start_peer(fast_peer, "graph")

    participant = peer.wait(lambda lines: next((x for x in lines if x.startswith("there participant")), "")).split()
    assert participant[3].startswith("enclave=/;")

    def endpoint(kind: str, topic: str) -> list[str]:
        return str(peer.line(f"there {kind} {topic} ")).split(" ", 8)

    writer = endpoint("writer", "rt/cell/state")
    assert writer[3] == "std_msgs::msg::dds_::String_"
    assert int(writer[5]) == 2 * 10**9
    assert writer[8] == f"typehash={type_hash(String)};"
    reader = endpoint("reader", "rt/cell/command")
    assert reader[8] == f"typehash={type_hash(String)};"
    request, reply = endpoint("reader", "rq/cell/enableRequest"), endpoint("writer", "rr/cell/enableReply")
    assert request[3] == "std_srvs::srv::dds_::SetBool_Request_"
    assert reply[3] == "std_srvs::srv::dds_::SetBool_Response_"
    ids = [entry[8].split(";")[0] for entry in (request, reply)]
    assert ids[0] == ids[1]
    assert ids[0].startswith("serviceid=")
    assert f"typehash={type_hash(SetBool.Request)}" in request[8]

    def told(lines: list[str]) -> bool:
        last = next((line for line in reversed(lines) if line.startswith("node /cell shown")), "")
        return all(entry[4] in last for entry in (writer, reader, request, reply))

    peer.wait(told)
    node.destroy_node()
    graph.nodes.remove(node)
    peer.wait(lambda lines: lines[-1].startswith("info") and lines[-1].endswith(" 0"))


def test_its_nodes_are_in_our_graph_when_fast_dds_tells_of_them(graph, fast_peer, start_peer, until):
    node = graph.node("looking")
    peer = start_peer(fast_peer, "node")
    _, writer, reader = peer.line("ready").split()
    assert node.wait_for_node("/fast/fast_node", 30.0)
    until(lambda: node.get_publishers_info_by_topic("/from_fast") and node.get_subscriptions_info_by_topic("/to_fast"))
    until(lambda: node.get_publishers_info_by_topic("/from_fast")[0].node_name == "fast_node")
    info = node.get_publishers_info_by_topic("/from_fast")[0]
    assert (info.node_namespace, info.topic_type) == ("/fast", "std_msgs/msg/String")
    assert node.get_publisher_names_and_types_by_node("fast_node", "/fast") == [("/from_fast", ["std_msgs/msg/String"])]
    assert writer != reader
    peer.close()
    until(lambda: "fast_node" not in node.get_node_names())
    assert not node.get_publishers_info_by_topic("/from_fast")
