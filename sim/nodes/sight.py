"""Camera and detector in one, without pictures: for runs in simulated time where rendering would take most of it."""

from __future__ import annotations

from typing import Any, Literal

from diagnostic_msgs.msg import DiagnosticStatus
from pydantic import Field
from rclpy.timer import Timer
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from cell.nodes import detections
from cell.nodes.node import OK, CellNode, stamp_of, status
from cell.parameters import NodeParameters
from perception.registry import find_model
from sim.sight import Sight


class PARAMETERS(NodeParameters):
    """As of the simulated camera and the detector that it stands for."""

    scenario: str = Field(default="", description="a scenario file; empty: the cell of acceptance")
    gripper: Literal["robotiq_2f85", "robotiq_epick"] = Field(
        default="robotiq_2f85", description="what is at the arm and on the line 'gripper': two fingers or a suction cup"
    )
    model: str = Field(default="sim", description="whose threshold and latency count")
    overkill: float = Field(default=0.05, description="picks the threshold")
    seed: int = Field(default=0, description="of the detector's errors")


class SimSightNode(CellNode):
    """Strobes at the camera's rate and publishes /detections after the latency that the model's card states.

    It goes by the detector's name: whoever watches that one sees no difference.
    """

    DECIDES = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("detector", **kwargs)
        from sim.bench import current_bench  # noqa: PLC0415 (a run in processes loads this module for its parameters)

        self._bench = current_bench()
        camera = self._bench.scenario.camera
        card = find_model(str(self.setting("model", "sim"))).card
        threshold = card.threshold(float(self.setting("overkill", 0.05)))
        self._latency_s = card.latency_ms.modelled * 1e-3
        # The first part is the one that the arm is to take.
        self._sight = Sight(camera, int(self.setting("seed", 0)), threshold, sure=frozenset({0}))
        self._waiting: list[tuple[Timer, Detection2DArray]] = []
        self.captured = 0
        self.judged = 0
        self._info = CameraInfo(height=camera.height_px, width=camera.width_px, distortion_model="plumb_bob")
        self._infos = self.create_publisher(CameraInfo, "/camera/camera_info", 2)
        self._publisher = self.create_publisher(Detection2DArray, "/detections", 10)
        self.create_timer(1.0 / camera.rate_hz, self._shoot)

    def _shoot(self) -> None:
        caught = self._bench.strobe(self.get_clock().now().nanoseconds)
        if caught is None:
            return
        shot, stamp_ns = caught
        self.captured += 1
        header = Header(stamp=stamp_of(stamp_ns * 1e-9), frame_id="camera")
        self._info.header = header
        self._infos.publish(self._info)
        message = detections.to_message(self._sight.look(shot), header)
        self._waiting.append((self.create_timer(self._latency_s, self._release), message))

    def _release(self) -> None:
        timer, message = self._waiting.pop(0)
        self.destroy_timer(timer)
        self.judged += 1
        self._publisher.publish(message)

    def health(self) -> list[DiagnosticStatus]:
        """One line, as the detector's."""
        return [status("detector", OK, "judges without pictures", {"judged": self.judged})]
