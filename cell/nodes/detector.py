"""Pictures in, judged parts out."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.timer import Timer
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from cell.nodes import detections, images
from cell.nodes.node import OK, WARN, CellNode, status
from perception.inspection import Inspector
from perception.registry import find_model

# Two pictures may wait: at 10 pictures/s a longer queue would only judge parts that have gone by.
QUEUE = 2


class DetectorNode(CellNode):
    """Runs the inspector on every picture of /camera/image and publishes /detections.

    On a simulated clock computing takes no time, so the result is held back for the latency that the card states.
    """

    DECIDES = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("detector", **kwargs)
        self.model = find_model(str(self.setting("model", "sim")))
        self._inspector = Inspector(
            self.model,
            threads=int(self.setting("threads", 2)),
            backend=str(self.setting("backend", "onnxruntime")),
        )
        self._held_back_s = self.model.card.latency_ms.modelled * 1e-3 if self.setting("use_sim_time", False) else 0.0
        self._waiting: list[tuple[Timer, Detection2DArray]] = []
        self.judged = 0
        self._failed: str | None = None
        self._publisher = self.create_publisher(Detection2DArray, "/detections", 10)
        self.create_subscription(Image, "/camera/image", self._on_image, QUEUE)

    def _on_image(self, message: Image) -> None:
        try:
            inspection = self._inspector.inspect(images.from_message(message))
        except ValueError as error:
            self._failed = str(error)
            self.get_logger().error(f"picture not judged: {error}")
            return
        self._failed = None
        result = detections.to_message(inspection.views, message.header)
        if self._held_back_s > 0.0:
            self._waiting.append((self.create_timer(self._held_back_s, self._release), result))
        else:
            self._publish(result)

    def _release(self) -> None:
        timer, result = self._waiting.pop(0)
        self.destroy_timer(timer)
        self._publish(result)

    def _publish(self, result: Detection2DArray) -> None:
        self.judged += 1
        self._publisher.publish(result)

    def health(self) -> list[DiagnosticStatus]:
        """One line: the model and how many pictures it has judged."""
        card = self.model.card
        values: dict[str, object] = {
            "model": card.id,
            "sha256": card.sha256,
            "licence": card.licence,
            "judged": self.judged,
        }
        if self._failed is not None:
            return [status("detector", WARN, self._failed, values)]
        return [status("detector", OK, f"model {card.id}", values)]
