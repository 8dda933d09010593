"""A cell for the page's tests: a small PackML machine whose counts move while it runs, and a drawn picture."""

from __future__ import annotations

import copy
import threading

import cv2
import numpy as np

from cell.hmi.view import CommandResult, Picture, Snapshot

EDGES = {
    ("Stopped", "reset"): "Idle",
    ("Idle", "start"): "Execute",
    ("Execute", "stop"): "Stopped",
    ("Execute", "hold"): "Held",
    ("Execute", "suspend"): "Suspended",
    ("Execute", "complete"): "Complete",
    ("Idle", "stop"): "Stopped",
    ("Held", "unhold"): "Execute",
    ("Held", "stop"): "Stopped",
    ("Suspended", "unsuspend"): "Execute",
    ("Suspended", "stop"): "Stopped",
    ("Complete", "reset"): "Idle",
    ("Complete", "stop"): "Stopped",
    ("Aborted", "clear"): "Stopped",
}
CODES = {"Stopped": 2, "Idle": 4, "Suspended": 5, "Execute": 6, "Aborted": 9, "Held": 11, "Complete": 17}
FATES = ("passed", "passed", "sorted", "passed", "passed", "sorted", "passed", "missed")


class FakeCell:
    """Counts and stamps advance by one step with every snapshot while it executes: no clock is read.

    ``gate`` closed makes the next snapshots wait, as a graph that hangs would.
    """

    def __init__(self, state: str = "Execute") -> None:
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self.state = state
        self.reason = "" if state == "Execute" else "Waiting for an operator"
        self.age_s = 0.05
        self.snapshots = 0
        self.pictures = 0
        self.picture_asks = 0
        self.commands: list[tuple[str, str]] = []
        self.alarms: list[dict[str, object]] = []
        self.devices: list[dict[str, object]] = [
            {"name": "camera", "ok": True, "detail": "10.0 frames/s"},
            {"name": "gripper", "ok": True, "detail": "Robotiq 2F-85, 24 ms"},
            {"name": "conveyor", "ok": True, "detail": "LS G100, 31 ms"},
            {"name": "io", "ok": True, "detail": "Modbus I/O, 12 ms"},
            {"name": "arm", "ok": True, "detail": "delta, 0.4 mm"},
        ]
        self.counts = {
            "entered": 0, "sorted": 0, "passed": 0, "missed": 0, "dropped": 0, "rejected": 0, "unknown": 0,
            "in_flight": 0,
        }  # fmt: skip
        self.ballast = ""

    def step(self) -> None:
        """One part enters and one gets its fate."""
        self.counts["entered"] += 1
        if self.counts["entered"] > 6:
            self.counts[FATES[self.counts["entered"] % len(FATES)]] += 1
        self.counts["in_flight"] = self.counts["entered"] - sum(
            value for name, value in self.counts.items() if name not in {"entered", "in_flight"}
        )

    def snapshot(self) -> Snapshot:
        self.gate.wait(30.0)
        with self.lock:
            self.snapshots += 1
            if self.state == "Execute":
                self.step()
            now_s = 0.2 * self.snapshots
            t_s = [now_s - 5.0 * (60 - i) for i in range(61)] if self.snapshots > 1 else []
            snapshot: Snapshot = {
                "stamp_s": now_s,
                "age_s": self.age_s,
                "state": {
                    "name": self.state,
                    "code": CODES[self.state],
                    "mode": "Produce",
                    "reason": self.reason,
                    "since_s": 83.0,
                },
                "allowed": self._allowed(),
                "counts": self.counts.copy(),  # type: ignore[typeddict-item]
                "rates": {"picks_per_min": 7.4, "parts_per_min": 36.0},
                "trend": {
                    "t_s": t_s,
                    "picks_per_min": [7.0 + 2.0 * float(np.sin(t / 31.0)) for t in t_s],
                    "parts_per_min": [35.0 + 4.0 * float(np.sin(t / 47.0)) for t in t_s],
                },
                "belt": {"speed_mps": 0.2 if self.state == "Execute" else 0.0, "travel_m": 0.04 * self.snapshots},
                "devices": copy.deepcopy(self.devices),  # type: ignore[typeddict-item]
                "alarms": copy.deepcopy(self.alarms),  # type: ignore[typeddict-item]
                "parts": [
                    {"part_id": 208, "verdict": "pending", "defects": [], "score": 0.0, "fate": "", "bin": ""},
                    {"part_id": 207, "verdict": "good", "defects": [], "score": 0.08, "fate": "", "bin": ""},
                    {"part_id": 206, "verdict": "defective", "defects": ["scratch", "dent"], "score": 0.94,
                     "fate": "sorted", "bin": "defect"},
                    {"part_id": 205, "verdict": "good", "defects": [], "score": 0.11, "fate": "passed", "bin": ""},
                    {"part_id": 204, "verdict": "unsure", "defects": ["stain"], "score": 0.41, "fate": "rejected",
                     "bin": "reject"},
                    {"part_id": 203, "verdict": "defective", "defects": ["crack"], "score": 0.88, "fate": "missed",
                     "bin": "defect"},
                ],
                "model": {"id": "sim", "hash": "3fa94c1be2a07d55", "overkill": 0.05, "threshold": 0.372,
                          "licence": "AGPL-3.0-only"},
                "policy": "spt",
                "latency_ms": {"frame_to_decision": {"p50": 61.0, "p99": 94.0}},
                "versions": {"cellwright": "0.1.0" + self.ballast},
                "simulated": True,
            }  # fmt: skip
            return snapshot

    def _allowed(self) -> list[str]:
        names = [name.capitalize() for (state, name) in EDGES if state == self.state]
        return names if self.state == "Aborted" else [*names, "Abort"]

    def picture(self) -> Picture | None:
        with self.lock:
            self.picture_asks += 1
            if self.state == "Execute":
                self.pictures += 1
            sequence = self.pictures
        image = np.full((480, 640, 3), (70, 130, 40), np.uint8)
        for index, (x, defective) in enumerate(((110, False), (330, True), (500, False))):
            y = (sequence * 40 + index * 190) % 620 - 90
            cv2.rectangle(image, (x, y), (x + 90, y + 120), (176, 178, 180), -1)
            if defective:
                cv2.line(image, (x + 20, y + 30), (x + 66, y + 84), (90, 92, 96), 3, cv2.LINE_AA)
                cv2.rectangle(image, (x + 12, y + 22), (x + 74, y + 92), (40, 40, 220), 2)
                cv2.putText(image, "scratch 0.94", (x - 2, y + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
            cv2.rectangle(image, (x - 4, y - 4), (x + 94, y + 124), (220, 220, 220), 1)
        encoded, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
        assert encoded
        return Picture(sequence, jpeg.tobytes())

    def command(self, name: str, by: str) -> CommandResult:
        with self.lock:
            self.commands.append((name, by))
            new = "Aborted" if name == "abort" and self.state != "Aborted" else EDGES.get((self.state, name))
            if new is None:
                return CommandResult(False, f"{name.capitalize()} is not possible in {self.state}", self.state)
            self.state = new
            self.reason = "" if new == "Execute" else f"{name.capitalize()} by {by}"
            return CommandResult(True, "", new)
