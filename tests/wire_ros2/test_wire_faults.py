"""What must not hurt: peers that die, garbage on the port, many publishers that come and go, a missing library."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest


def _resources() -> tuple[int, int]:
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def _text(data: str) -> Any:
    from std_msgs.msg import String

    return String(data=data)


def test_publishing_goes_on_when_a_reader_is_killed_in_the_middle_of_images(graph, own_peer, until):
    from sensor_msgs.msg import Image

    camera = graph.node("camera")
    publisher = camera.create_publisher(Image, "/camera/image", 3)
    ticks: list[float] = []
    graph.node("control").create_timer(0.01, lambda: ticks.append(time.monotonic()))
    peers = [own_peer("image_viewer"), own_peer("image_viewer")]
    until(lambda: publisher.get_subscription_count() == 2)
    image = Image(height=1080, width=1920, encoding="bgr8", step=5760, data=bytes(1080 * 5760))
    sent = 0
    while len([line for line in peers[1].lines if line.startswith("image")]) < 5:
        image.header.stamp.nanosec = sent = sent + 1
        publisher.publish(image)
    peers[0].kill()
    before, heard = len(ticks), len(peers[1].lines)
    # The dead one never acknowledges; the other one goes on hearing, and timers go on.
    until(lambda: publisher.publish(image) or len(peers[1].lines) >= heard + 5)
    until(lambda: len(ticks) > before + 10)


def test_a_node_goes_on_when_garbage_comes_to_its_ports(graph, own_peer, until):
    publisher = graph.node("talker").create_publisher(type(_text("")), "/chatter", 10)
    peer = own_peer("listener")
    until(lambda: publisher.get_subscription_count() == 1)
    noise = [os.urandom(size) for size in (0, 1, 20, 1400, 60_000)]
    noise += [b"RTPS\x02\x01\x01\x10" + os.urandom(12) + b"\x15\x05" + os.urandom(200) for _ in range(200)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for index in range(4):
            for port in (7410, 7411):
                for packet in noise:
                    sender.sendto(packet, ("127.0.0.1", port + 250 * graph.domain + 2 * index))
    until(lambda: publisher.publish(_text("still here")) or "string still here" in peer.lines)


def test_a_message_that_is_none_is_left_out_when_a_foreign_writer_sends_it(graph, own_peer, until):
    from rclpy.qos import QoSProfile

    from cell.runtime.wire.backlog import Backlog
    from cell.runtime.wire.cyclone import library
    from cell.runtime.wire.endpoints import WireWriter

    got: list[str] = []
    subscription = graph.node("listener").create_subscription(
        type(_text("")), "/broken", lambda message: got.append(message.data), 10
    )
    # A second participant in this process stands for a broken peer.
    participant = library().dds_create_participant(graph.domain, None, None)
    try:
        writer = WireWriter(
            participant, "rt/broken", "std_msgs::msg::dds_::String_", QoSProfile(depth=10), Backlog(None)
        )
        until(lambda: subscription.get_publisher_count() == 1 and writer.matched())
        writer.write([b"\0\1\0\0\xff\xff\xff\x7fxyz"])
        writer.write([b"\0\1\0\0\3\0\0\0ok\0"])
        until(lambda: got == ["ok"])
    finally:
        library().dds_delete(participant)


def test_nothing_is_left_when_a_thousand_publishers_come_and_go(graph, own_peer, until):
    from std_msgs.msg import String

    node = graph.node("busy")
    peer = own_peer("listener")
    lasting = node.create_publisher(String, "/chatter", 10)
    until(lambda: lasting.get_subscription_count() == 1)
    for number in range(50):
        node.destroy_publisher(node.create_publisher(String, f"/warm_{number}", 10))
    idle = {"rclpy-wire-janitor"}
    until(lambda: not idle & {thread.name for thread in threading.enumerate()})
    before = _resources()
    for number in range(1000):
        publisher = node.create_publisher(String, f"/many_{number % 10}", 10)
        publisher.publish(_text("short life"))
        node.destroy_publisher(publisher)
    until(lambda: not idle & {thread.name for thread in threading.enumerate()})
    # Fewer is fine: what the warming-up has opened may be closed by now.
    assert all(now <= then for now, then in zip(_resources(), before, strict=True))
    until(lambda: lasting.publish(_text("after all")) or "string after all" in peer.lines)
    until(lambda: not node.get_publishers_info_by_topic("/many_1"))


def test_nothing_is_left_when_a_context_leaves_the_wire_and_comes_again(domain, until):
    from rclpy.context import Context
    from rclpy.node import Node

    def live() -> None:
        import rclpy

        context = Context()
        rclpy.init(context=context, args=[], domain_id=domain)
        node = Node("short", context=context)
        publisher = node.create_publisher(type(_text("")), "/chatter", 10)
        publisher.publish(_text("hello"))
        node.destroy_node()
        context.try_shutdown()

    live()
    before = _resources()
    for _ in range(5):
        live()
    until(lambda: all(now <= then for now, then in zip(_resources(), before, strict=True)))


def test_a_view_outlives_the_wire_when_a_message_is_kept(domain, own_peer, until):
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image

    from cell.runtime import cdr
    from cell.runtime.wire.backlog import Backlog
    from cell.runtime.wire.cyclone import library
    from cell.runtime.wire.endpoints import WireWriter

    context = Context()
    rclpy.init(context=context, args=[], domain_id=domain)
    node = Node("keeper", context=context)
    kept: list[Any] = []
    subscription = node.create_subscription(Image, "/picture", kept.append, 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    participant = library().dds_create_participant(domain, None, None)
    writer = WireWriter(
        participant, "rt/picture", "sensor_msgs::msg::dds_::Image_", QoSProfile(depth=10), Backlog(None)
    )
    until(lambda: subscription.get_publisher_count() == 1 and writer.matched())
    writer.write(cdr.gather(Image(data=bytes(range(256)) * 4000))[0])
    until(lambda: executor.spin_once(timeout_sec=0.05) or kept)
    library().dds_delete(participant)
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()
    assert bytes(kept[0].data) == bytes(range(256)) * 4000


def test_the_start_says_what_to_install_when_cyclone_is_missing(monkeypatch):
    from cell.runtime.transport import Bus
    from cell.runtime.wire import cyclone, transport

    cyclone.library.cache_clear()
    monkeypatch.setattr("importlib.metadata.version", _no_package)
    with pytest.raises(cyclone.WireError, match=r"cellwright\[dds\]"):
        transport.start(Bus(lambda *_: True), 101)
    cyclone.library.cache_clear()


def _no_package(name: str) -> str:
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(name)


def test_nothing_of_it_is_loaded_when_the_wire_is_not_asked_for():
    import subprocess

    program = (
        "import cell.runtime.finder; cell.runtime.finder.install(); import rclpy, sys; rclpy.init(); "
        "rclpy.create_node('quiet'); print([name for name in sys.modules if 'wire' in name or 'cyclone' in name])"
    )
    environment = {**os.environ, "CELL_WIRE": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert done.stdout.strip() == "[]"
