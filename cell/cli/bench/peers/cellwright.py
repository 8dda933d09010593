"""Our own runtime, by what every program uses: a publisher, a subscription, an executor."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Any

from cell.cli.bench.peers import WAIT_S, Role

WIDTH, HEIGHT, CHANNELS = 1920, 1080, 3
_PICTURE = WIDTH * HEIGHT * CHANNELS


class RclpyPeer:
    """One end: a publisher and a subscription each for short texts and for pictures."""

    def __init__(self, role: Role, key: str) -> None:
        # A domain that nothing else uses, on this machine only.
        os.environ["ROS_DOMAIN_ID"] = str(100 + hash_of(key) % 90)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        import rclpy  # noqa: PLC0415 (reads the environment)
        from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
        from rclpy.qos import QoSProfile  # noqa: PLC0415
        from sensor_msgs.msg import Image  # noqa: PLC0415
        from std_msgs.msg import UInt8MultiArray  # noqa: PLC0415

        self._rclpy: Any = rclpy
        self._image, self._small = Image, UInt8MultiArray
        rclpy.init(args=[])
        self.node: Any = rclpy.create_node(f"bench_{role}", enable_rosout=False, start_parameter_services=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._received: deque[Any] = deque()
        out, into = ("there", "back") if role == "parent" else ("back", "there")
        quality = QoSProfile(depth=10)
        self._publishers: list[Any] = [
            self.node.create_publisher(UInt8MultiArray, f"small_{out}", quality),
            self.node.create_publisher(Image, f"picture_{out}", quality),
        ]
        self.node.create_subscription(UInt8MultiArray, f"small_{into}", self._received.append, quality)
        self.node.create_subscription(Image, f"picture_{into}", self._received.append, quality)
        until_s = time.monotonic() + WAIT_S
        while not all(publisher.get_subscription_count() for publisher in self._publishers):
            if time.monotonic() > until_s:
                raise TimeoutError("the other end did not open")
            self._executor.spin_once(timeout_sec=0.01)

    def send(self, payload: bytes) -> None:
        if len(payload) == _PICTURE:
            message = self._image(height=HEIGHT, width=WIDTH, encoding="bgr8", step=WIDTH * CHANNELS, data=payload)
            self._publishers[1].publish(message)
        else:
            self._publishers[0].publish(self._small(data=payload))

    def receive(self) -> memoryview:
        received = self._received
        while not received:
            self._executor.spin_once(timeout_sec=WAIT_S)
            if not received:
                raise TimeoutError("nothing came over rclpy")
        return memoryview(received.popleft().data)

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._rclpy.try_shutdown()


def hash_of(key: str) -> int:
    """The same number in both processes (Python's own hash of a text differs)."""
    return sum(key.encode())


def open_peer(role: Role, key: str) -> RclpyPeer:
    return RclpyPeer(role, key)
