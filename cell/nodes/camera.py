"""A real camera, or files in its place: the newest picture on /camera/image with the time at which it was read."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from cell.nodes import images
from cell.nodes.node import ERROR, OK, WARN, CellNode, stamp_of, status
from perception.cameras import open_camera
from perception.errors import InputError

# How often the node looks for a new picture: a tenth of a frame at 10 pictures/s.
PERIOD_S = 0.01
# A picture is due when this share of a frame's time has passed: cameras keep their rate to a few percent only.
DUE_SHARE = 0.8
# Five frames at 10 pictures/s, as the safety gate has it; older means that the camera has stopped.
STALE_S = 0.5


class CameraNode(CellNode):
    """Publishes /camera/image and /camera/camera_info, at most ``rate_hz`` times a second.

    Raises:
        InputError: the source cannot be opened.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("camera", **kwargs)
        source = str(self.setting("source", "0"))
        self._size = (int(self.setting("width_px", 640)), int(self.setting("height_px", 480)))
        self._frame_s = 1.0 / float(self.setting("rate_hz", 10.0))
        try:
            self._camera = open_camera(source, clock=time.monotonic)
        except InputError as error:
            raise InputError(error.message, file=error.file, key="camera.source") from None
        self._sequence = -1
        self._stamp_s = float("-inf")
        self._wrong_size: tuple[int, int] | None = None
        self._images = self.create_publisher(Image, "/camera/image", 2)
        self._infos = self.create_publisher(CameraInfo, "/camera/camera_info", 2)
        self.create_timer(PERIOD_S, self._look)

    def _look(self) -> None:
        frame = self._camera.latest
        if frame is None or frame.sequence == self._sequence:
            return
        if frame.stamp_s - self._stamp_s < DUE_SHARE * self._frame_s:
            return
        self._sequence, self._stamp_s = frame.sequence, frame.stamp_s
        height, width = frame.image.shape[:2]
        # At another size the scale on the belt would be wrong, and the arm would reach beside the parts.
        self._wrong_size = None if (width, height) == self._size else (width, height)
        if self._wrong_size is not None:
            return
        age_s = time.monotonic() - frame.stamp_s
        header = Header(stamp=stamp_of(self.now_s - age_s), frame_id="camera")
        self._images.publish(images.to_message(frame.image, header))
        self._infos.publish(CameraInfo(header=header, height=height, width=width, distortion_model="plumb_bob"))

    def health(self) -> list[DiagnosticStatus]:
        """One line: pictures come, at the size that the scale is for."""
        if self._wrong_size is not None:
            words = "pictures of {}x{} instead of {}x{}".format(*self._wrong_size, *self._size)
            return [status("camera", ERROR, words)]
        if self._camera.ended:
            return [status("camera", ERROR, "delivers no more pictures")]
        age_s = self._camera.age_s()
        if age_s is None:
            return [status("camera", WARN, "no picture yet")]
        if age_s > STALE_S:
            return [status("camera", ERROR, f"the newest picture is {age_s:.1f} s old")]
        return [status("camera", OK, "running", {"pictures": self._sequence + 1})]

    def destroy_node(self) -> None:
        """Let go of the device as well."""
        self._camera.close()
        super().destroy_node()
