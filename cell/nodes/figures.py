"""What a run's report counts where the status node lives in another process: pictures, judgements, latency."""

from __future__ import annotations

from typing import Any

from cell_msgs.msg import PickDecision
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from vision_msgs.msg import Detection2DArray

from cell.measures import Percentiles
from cell.nodes.node import seconds


class FiguresNode(Node):
    """Counts; says nothing.

    Attributes:
        captured: pictures that the camera announced.
        judged: pictures that the detector answered.
        first_ns, last_ns: the camera's stamps of the first and the last of those; 0 before the first.
        latency_ms: from a picture to the decision on what it shows.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("figures", **kwargs)
        self.captured = self.judged = self.first_ns = self.last_ns = 0
        self.latency_ms = Percentiles()
        self.create_subscription(CameraInfo, "/camera/camera_info", self._on_info, 10)
        self.create_subscription(Detection2DArray, "/detections", self._on_detections, 10)
        self.create_subscription(PickDecision, "/decisions", self._on_decision, 50)

    def _on_info(self, _message: CameraInfo) -> None:
        self.captured += 1

    def _on_detections(self, message: Detection2DArray) -> None:
        stamp = message.header.stamp
        self.last_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        self.first_ns = self.first_ns or self.last_ns
        self.judged += 1

    def _on_decision(self, message: PickDecision) -> None:
        if message.action != PickDecision.PICK:
            self.latency_ms.add(1e3 * (seconds(message.header.stamp) - seconds(message.image_stamp)))
