"""Another process of a test: `program.py ROLE [ARGUMENT]`. It prints a line for each thing that the test waits for."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import cell.runtime.finder

cell.runtime.finder.install()

import numpy as np  # noqa: E402
import rclpy  # noqa: E402
from rclpy.action import ActionServer  # noqa: E402
from rclpy.duration import Duration  # noqa: E402
from rclpy.executors import ExternalShutdownException  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Int32, String  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402


def say(text: str) -> None:
    print(text, flush=True)


def echo(node: Node, _: str) -> None:
    publisher = node.create_publisher(String, "pong", 10)
    node.create_subscription(String, "ping", publisher.publish, 10)


def serve(node: Node, _: str) -> None:
    def answer(request: Any, response: Any) -> Any:
        response.success = request.data
        response.message = str(os.getpid())
        return response

    node.create_service(SetBool, "switch", answer)


def mute(node: Node, _: str) -> None:
    node.create_service(SetBool, "switch", lambda request, response: time.sleep(1000))


def act(node: Node, _: str) -> None:
    from control_msgs.action import ParallelGripperCommand

    def execute(goal: Any) -> Any:
        feedback = ParallelGripperCommand.Feedback()
        feedback.state.position = [0.5]
        goal.publish_feedback(feedback)
        goal.succeed()
        return ParallelGripperCommand.Result(reached_goal=True)

    node.keep = ActionServer(node, ParallelGripperCommand, "grip", execute)  # type: ignore[attr-defined]


def count(node: Node, depth: str) -> None:
    """Counts numbers and images, and reports after each; tells of lost ones."""
    from rclpy.event_handler import SubscriptionEventCallbacks

    events = SubscriptionEventCallbacks(message_lost=lambda event: say(f"lost {event.total_count}"))
    node.create_subscription(
        Int32, "numbers", lambda message: say(f"number {message.data}"), int(depth), event_callbacks=events
    )

    def take(image: Any) -> None:
        pixels = np.asarray(image.data)
        say(f"image {image.height} {len(pixels)} {int(pixels[::997].sum())} {pixels.flags.writeable}")

    node.create_subscription(Image, "image", take, int(depth), event_callbacks=events)


def keep(node: Node, number: str) -> None:
    """Keeps so many images, then lets them go."""
    kept: list[Any] = []

    def take(image: Any) -> None:
        kept.append(image)
        say(f"kept {len(kept)}")
        if len(kept) == int(number):
            say("same" if all(int(entry.data[0]) == entry.height % 256 for entry in kept) else "changed")
            kept.clear()

    node.create_subscription(Image, "image", take, 5)


def latch(node: Node, _: str) -> None:
    publisher = node.create_publisher(
        Int32, "numbers", QoSProfile(depth=3, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    )
    for number in range(10):
        publisher.publish(Int32(data=number))
    node.keep = publisher  # type: ignore[attr-defined]


def hold(node: Node, _: str) -> None:
    """Publishes one image, then takes a slot and never gives it back."""
    publisher = node.create_publisher(Image, "image", 5)
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    outlet: Any = next(reader for reader in publisher._writer.readers if reader.endpoint.location == "machine")
    while not outlet._ready:
        publisher.publish(Image(data=np.ones(100_000, np.uint8)))
        time.sleep(0.02)
    node.keep = outlet._slots.loan(50_000)  # type: ignore[attr-defined]
    say("holding")


def forked(node: Node, _: str) -> None:
    """A child that makes a context of its own, beside its parent's."""
    publisher = node.create_publisher(String, "parent", 10)
    pid = os.fork()
    if pid == 0:
        publisher.publish(String(data="from the child, to nobody"))
        context = rclpy.Context()
        context.init(args=[])
        child = Node("child", context=context)
        context._bus.wait_for(lambda: len(child.get_node_names()) == 3, 20.0)
        say("child " + ",".join(sorted(child.get_node_names())))
        context.shutdown()
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    say("parent " + ",".join(sorted(node.get_node_names())))


def falter(node: Node, _: str) -> None:
    """Shows for a while that its publisher is alive, then no more, then again when it is told to."""
    qos = QoSProfile(
        depth=5,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=Duration(seconds=0.2),
    )
    publisher = node.create_publisher(String, "sign", qos)
    node.create_subscription(String, "wake", lambda _: publisher.assert_liveliness(), 5)


def flood(node: Node, _: str) -> None:
    publisher = node.create_publisher(String, "ping", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT))
    node.create_timer(0.0, lambda: publisher.publish(String(data="x" * 100)))


def main() -> None:
    role, argument = sys.argv[1], (sys.argv[2:] or [""])[0]
    rclpy.init(args=[])
    node = Node(role)
    globals()[role](node, argument)
    say("ready")
    try:
        rclpy.spin(node)
    except (ExternalShutdownException, KeyboardInterrupt):
        say("ended")


if __name__ == "__main__":
    main()
