"""A process of ours on the wire: `own_peer.py DOMAIN ROLE`; it ends when its input does."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from typing import Any

import cell.runtime.finder

cell.runtime.finder.install()

import rclpy  # noqa: E402
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402

from cell.runtime import transports  # noqa: E402
from cell.runtime.wire.transport import start as start_wire  # noqa: E402


def action_server(node: Node) -> Any:
    from control_msgs.action import ParallelGripperCommand
    from rclpy.action import ActionServer

    def execute(handle: Any) -> Any:
        for _ in range(3):
            handle.publish_feedback(ParallelGripperCommand.Feedback())
        result = ParallelGripperCommand.Result()
        result.state.position = list(handle.request.command.position)
        handle.succeed()
        return result

    return ActionServer(node, ParallelGripperCommand, "/gripper/command", execute)


def listener(node: Node) -> Any:
    from std_msgs.msg import String

    return node.create_subscription(String, "/chatter", lambda message: print("string", message.data, flush=True), 1000)


def late_words(node: Node) -> Any:
    """What a publisher with durability has said before anybody came."""
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from std_msgs.msg import String

    publisher = node.create_publisher(String, "/kept", QoSProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    for word in ("one", "two", "three"):
        publisher.publish(String(data=word))
    return publisher


def image_viewer(node: Node) -> Any:
    from sensor_msgs.msg import Image

    return node.create_subscription(
        Image, "/camera/image", lambda message: print("image", message.header.stamp.nanosec, flush=True), 10
    )


def main() -> None:
    domain, role = int(sys.argv[1]), sys.argv[2]
    transports.start = lambda bus, number: [start_wire(bus, number)]  # type: ignore[assignment]
    rclpy.init(args=[], domain_id=domain)
    node = Node(f"own_{role}")
    kept = globals()[role](node)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    executor.shutdown()
    thread.join(5.0)
    del kept
    node.destroy_node()
    rclpy.shutdown()


main()
