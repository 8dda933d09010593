"""The simulated camera: fires, latches the encoder, and publishes what it sees."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from cell.parameters import NodeParameters


class PARAMETERS(NodeParameters):
    """What the simulated world is."""

    scenario: str = Field(default="", description="a scenario file; empty: the cell of acceptance")
    gripper: Literal["robotiq_2f85", "robotiq_epick"] = Field(
        default="robotiq_2f85", description="what is at the arm and on the line 'gripper': two fingers or a suction cup"
    )


class SimCameraNode(Node):
    """Publishes /camera/image and /camera/camera_info while somebody looks."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sim_camera", automatically_declare_parameters_from_overrides=True, **kwargs)
        from sim.bench import current_bench  # noqa: PLC0415 (a run in processes loads this module for its parameters)

        self._bench = current_bench()
        camera = self._bench.scenario.camera
        self._info = CameraInfo(height=camera.height_px, width=camera.width_px, distortion_model="plumb_bob")
        self._images = self.create_publisher(Image, "/camera/image", 2)
        self._infos = self.create_publisher(CameraInfo, "/camera/camera_info", 2)
        self.create_timer(1.0 / camera.rate_hz, self._shoot)

    def _shoot(self) -> None:
        # As camera drivers do: no picture is taken for nobody.
        if self._images.get_subscription_count() == 0:
            return
        caught = self._bench.shoot(self.get_clock().now().nanoseconds)
        if caught is None:
            return
        image, stamp_ns = caught
        header = Header(stamp=Time(nanoseconds=stamp_ns).to_msg(), frame_id="camera")
        height, width = image.shape[:2]
        self._images.publish(
            Image(
                header=header,
                height=height,
                width=width,
                encoding="bgr8",
                is_bigendian=0,
                step=3 * width,
                data=np.ascontiguousarray(image).reshape(-1),
            )
        )
        self._info.header = header
        self._infos.publish(self._info)
