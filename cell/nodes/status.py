"""The status node: gathers what the topics say for the page and the report, and carries commands to the cell."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
from cell_msgs.msg import AlarmArray, CellState, PartArray, PartOutcome, PickDecision
from cell_msgs.srv import StateCommand
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from sensor_msgs.msg import Image, JointState
from vision_msgs.msg import Detection2DArray

from cell.board import Board
from cell.hmi.view import COMMANDS, AlarmView, CommandResult, Picture, Snapshot
from cell.nodes import belt, detections, images
from cell.nodes.node import OK, WARN, CellNode, seconds
from cell.packml import Mode, State
from cell.versions import versions
from perception.registry import find_model
from perception.types import PartView, Verdict

COUNTS = ("entered", "sorted", "passed", "missed", "dropped", "rejected", "unknown", "in_flight")
COMMAND_TIMEOUT_S = 2.0
JPEG_QUALITY = 80
GREEN = (90, 200, 90)
RED = (40, 40, 230)
GREY = (190, 190, 190)


class StatusNode(CellNode):
    """One source for what is shown: implements ``cell.hmi.view.CellView`` on top of the topics.

    ``snapshot``, ``picture`` and ``command`` are called from the page's threads.
    """

    def __init__(self, *, simulated: bool = False, **kwargs: Any) -> None:
        super().__init__("status", **kwargs)
        card = find_model(str(self.setting("model", "sim"))).card
        overkill = float(self.setting("overkill", 0.05))
        self._threshold = card.threshold(overkill)
        self.board = Board(
            {
                "id": card.id,
                "hash": card.sha256,
                "overkill": overkill,
                "threshold": self._threshold,
                "licence": card.licence,
            },
            str(self.setting("policy", "spt")),
            versions(),
            simulated=simulated or bool(self.setting("simulated", False)),
        )
        self.captured = 0
        self.judged = 0
        self._picture_lock = threading.Lock()
        self._image: NDArray[np.uint8] | None = None
        self._views: tuple[PartView, ...] = ()
        self._shown: Picture | None = None
        self._sequence = 0
        self._waiting_images: dict[float, NDArray[np.uint8]] = {}
        self.create_subscription(Image, "/camera/image", self._on_image, 10)
        self.create_subscription(Detection2DArray, "/detections", self._on_detections, 10)
        self.create_subscription(PartArray, "/parts", self._on_parts, 10)
        self.create_subscription(PickDecision, "/decisions", self._on_decision, 50)
        self.create_subscription(PartOutcome, "/outcomes", self._on_outcome, 50)
        self.create_subscription(CellState, "/cell/state", self._on_state, 10)
        self.create_subscription(JointState, "/conveyor/state", self._on_belt, 10)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self.create_subscription(AlarmArray, "/alarms", self._on_alarms, 10)
        self._client = self.create_client(StateCommand, "/cell/command")

    def _on_image(self, message: Image) -> None:
        self.captured += 1
        waiting = self._waiting_images
        waiting[seconds(message.header.stamp)] = images.from_message(message)
        while len(waiting) > 4:
            waiting.pop(next(iter(waiting)))

    def _on_detections(self, message: Detection2DArray) -> None:
        self.judged += 1
        image = self._waiting_images.pop(seconds(message.header.stamp), None)
        if image is None:
            return
        with self._picture_lock:
            self._image, self._views = image, detections.from_message(message)
            self._sequence += 1

    def _on_parts(self, message: PartArray) -> None:
        now_s = self.now_s
        for part in message.parts:
            if part.final:
                verdict = Verdict(part.verdict).name.lower()
                self.board.part(now_s, part.part_id, verdict, list(part.defects), part.score)

    def _on_decision(self, message: PickDecision) -> None:
        if message.action != PickDecision.PICK:
            self.board.latency_ms.add(1e3 * (seconds(message.header.stamp) - seconds(message.image_stamp)))

    def _on_outcome(self, message: PartOutcome) -> None:
        self.board.outcome(self.now_s, message.part_id, message.fate, message.bin)

    def _on_state(self, message: CellState) -> None:
        counts = {name: int(getattr(message, name)) for name in COUNTS}
        mode = Mode(message.mode).name.capitalize() if message.mode in set(Mode) else str(message.mode)
        self.board.state(seconds(message.header.stamp), State(message.state), mode, message.reason, counts)

    def _on_belt(self, message: JointState) -> None:
        sample = belt.sample(message)
        self.board.belt(sample.travel_m, sample.speed_mps)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for line in message.status:
            self.board.device(line.name, line.level in (OK, WARN), line.message)

    def _on_alarms(self, message: AlarmArray) -> None:
        now_s = self.now_s
        alarms: list[AlarmView] = [
            {
                "key": alarm.key,
                "priority": int(alarm.priority),
                "active": bool(alarm.active),
                "acknowledged": bool(alarm.acknowledged),
                "message": alarm.message,
                "since_s": round(max(0.0, now_s - seconds(alarm.raised)), 1),
            }
            for alarm in message.alarms
        ]
        self.board.alarms(alarms)

    def snapshot(self) -> Snapshot:
        """Everything the page shows, at this instant."""
        return self.board.snapshot(self.now_s)

    def picture(self) -> Picture | None:
        """The newest judged picture with its boxes, encoded when somebody asks for it and once only."""
        with self._picture_lock:
            image, views, sequence = self._image, self._views, self._sequence
            if image is None or (self._shown is not None and self._shown.sequence == sequence):
                return self._shown
        encoded, jpeg = cv2.imencode(".jpg", self._draw(image, views), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not encoded:
            return None
        shown = Picture(sequence, jpeg.tobytes())
        with self._picture_lock:
            self._shown = shown
        return shown

    def _draw(self, image: NDArray[np.uint8], views: tuple[PartView, ...]) -> NDArray[np.uint8]:
        canvas = image.copy()
        for view in views:
            colour = GREY if not view.whole else RED if view.score >= self._threshold else GREEN
            rectangle = ((view.x_px, view.y_px), (view.w_px + 8.0, view.h_px + 8.0), float(np.degrees(view.yaw_rad)))
            corners = cv2.boxPoints(rectangle).astype(np.int32)
            cv2.polylines(canvas, [corners], isClosed=True, color=colour, thickness=2, lineType=cv2.LINE_AA)
            if not view.whole or view.score < self._threshold:
                continue
            for box in view.defects:
                if box.score < self._threshold:
                    continue
                left, top = int(box.x_px - box.w_px / 2), int(box.y_px - box.h_px / 2)
                right, bottom = int(box.x_px + box.w_px / 2), int(box.y_px + box.h_px / 2)
                cv2.rectangle(canvas, (left - 3, top - 3), (right + 3, bottom + 3), RED, 1, cv2.LINE_AA)
                label = f"{box.class_name} {box.score:.2f}"
                cv2.putText(
                    canvas, label, (left, max(12, top - 7)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, RED, 1, cv2.LINE_AA
                )
        return canvas

    def command(self, name: str, by: str) -> CommandResult:
        """Carry a PackML command to the supervisor; blocks the caller for two seconds at most."""
        request = StateCommand.Request(command=COMMANDS[name], by=by)
        answered = threading.Event()
        future = self._client.call_async(request)
        future.add_done_callback(lambda _future: answered.set())
        if not answered.wait(COMMAND_TIMEOUT_S):
            return CommandResult(accepted=False, message="the supervisor did not answer", state="")
        response = future.result()
        if response is None:
            return CommandResult(accepted=False, message="the supervisor failed", state="")
        return CommandResult(accepted=response.accepted, message=response.message, state=response.state_name)
