"""Judged views and belt travel in, tracked parts out."""

from __future__ import annotations

from typing import Any

from cell_msgs.msg import CellState, Part, PartArray
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState
from vision_msgs.msg import Detection2DArray

from cell.belt_watch import SlipWatch
from cell.conditions import CAUSE
from cell.nodes import belt, detections
from cell.nodes.node import OK, WARN, CellNode, seconds, stamp_of, status
from cell.odometry import Odometry
from cell.packml import State
from perception.calibration import CameraModel
from perception.registry import find_model
from perception.tracking import Tracker, TrackerConfig
from perception.types import BeltPart

# On the way into these somebody has put the encoder right.
AGAIN = (State.UNHOLDING, State.STARTING, State.RESETTING, State.CLEARING)
# Two readings of the encoder: farther ahead of the newest one the belt's travel is a guess.
GUESS_S = 0.04


class TrackerNode(CellNode):
    """Follows parts in belt coordinates: /detections and /conveyor/state in, /parts out (the same stamp)."""

    DECIDES = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("tracker", **kwargs)
        card = find_model(str(self.setting("model", "sim"))).card
        self._model_hash = card.sha256
        px_per_m = float(self.setting("px_per_m", 2000.0))
        camera = CameraModel.straight(
            px_per_m=px_per_m,
            width_px=int(self.setting("width_px", 640)),
            height_px=int(self.setting("height_px", 480)),
        )
        self._tracker = Tracker(
            TrackerConfig(
                camera=camera,
                threshold=card.threshold(float(self.setting("overkill", 0.05))),
                keep_m=float(self.setting("keep_m", 1.5)),
            )
        )
        self._odometry = Odometry()
        self._blind = 0
        self._slip = SlipWatch(px_per_m)
        self._state = State.STOPPED
        self.create_subscription(CellState, "/cell/state", self._on_state, 10)
        self._publisher = self.create_publisher(PartArray, "/parts", 10)
        self.create_subscription(JointState, "/conveyor/state", self._on_belt, 10)
        self.create_subscription(Detection2DArray, "/detections", self._on_detections, 10)

    def _on_belt(self, message: JointState) -> None:
        self._odometry.add(belt.sample(message))

    def _on_state(self, message: CellState) -> None:
        before, self._state = self._state, State(message.state)
        if self._state is not before and self._state in AGAIN:
            self._slip.reset()

    def _on_detections(self, message: Detection2DArray) -> None:
        stamp_s = seconds(message.header.stamp)
        travel_m = self._odometry.travel_at(stamp_s)
        if self._odometry.latest is None:
            return
        if travel_m is None:
            self._blind += 1
            self.get_logger().warning(
                "a picture without belt travel: its parts are not tracked", throttle_duration_sec=5.0
            )
            return
        views = detections.from_message(message)
        if stamp_s - self._odometry.latest.stamp_s > GUESS_S:
            # The travel is a guess ahead of the encoder's newest reading: nothing to hold the encoder to.
            self._slip.skip()
        elif self._slip.step(views, travel_m, stamp_s):
            self.get_logger().error(f"belt slip: {self._slip.words}")
            self.report_health()
        parts = self._tracker.step(views, travel_m, stamp_s)
        array = PartArray(belt_travel_m=travel_m, parts=[self._part(part) for part in parts])
        array.header.stamp = message.header.stamp
        array.header.frame_id = "belt"
        self._publisher.publish(array)

    def _part(self, part: BeltPart) -> Part:
        return Part(
            part_id=part.part_id,
            stamp=stamp_of(part.stamp_s),
            part_class="part",
            belt_x_m=part.belt_x_m,
            y_m=part.y_m,
            yaw_rad=part.yaw_rad,
            length_m=part.length_m,
            width_m=part.width_m,
            covariance=list(part.covariance),
            verdict=int(part.verdict),
            score=part.score,
            defects=list(part.defects),
            views=part.views,
            final=part.final,
            model_hash=self._model_hash,
        )

    def health(self) -> list[DiagnosticStatus]:
        """One line; a warning once a picture came without belt travel."""
        if self._slip.words is not None:
            return [status("tracker", WARN, self._slip.words, {"blind": self._blind, CAUSE: "belt_slip"})]
        level = WARN if self._blind else OK
        return [status("tracker", level, f"{self._blind} pictures without belt travel", {"blind": self._blind})]
