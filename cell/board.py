"""The one source of what the page and the report show: gathers what the topics say, hands out consistent snapshots.

Pure but for a lock: the node graph writes, the page's threads read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from cell.hmi.view import (
    AlarmView,
    CountsView,
    DeviceView,
    ModelView,
    PartView,
    Snapshot,
    StateView,
    TrendView,
)
from cell.measures import Percentiles, Rate
from cell.packml import COMMANDS, EDGES, State

LAST_PARTS = 12
TREND_STEP_S = 5.0
TREND_POINTS = 360
FATES = ("sorted", "passed", "missed", "dropped", "rejected", "unknown")
PICKED = ("sorted", "rejected")


@dataclass
class _Trend:
    t_s: list[float] = field(default_factory=list)
    picks: list[float] = field(default_factory=list)
    parts: list[float] = field(default_factory=list)

    def add(self, t_s: float, picks: float, parts: float) -> None:
        if self.t_s and t_s - self.t_s[-1] < TREND_STEP_S:
            return
        for series, value in ((self.t_s, t_s), (self.picks, picks), (self.parts, parts)):
            series.append(round(value, 3))
            del series[:-TREND_POINTS]

    def view(self) -> TrendView:
        return {"t_s": list(self.t_s), "picks_per_min": list(self.picks), "parts_per_min": list(self.parts)}


class Board:
    """What is known of the cell right now.

    Args:
        model: the detector's model as the page shows it.
        policy: the policy's name.
        versions: of our package and of what it runs on.
        simulated: the hardware is a simulator.
    """

    def __init__(self, model: ModelView, policy: str, versions: dict[str, str], *, simulated: bool) -> None:
        self._lock = threading.Lock()
        self._model = model
        self._policy = policy
        self.versions = versions
        self._simulated = simulated
        self._stamp_s = 0.0
        self._state = State.STOPPED
        self._mode = "Produce"
        self._reason = ""
        self._since_s = 0.0
        self._counts = dict.fromkeys(("entered", *FATES, "in_flight"), 0)
        self._speed_mps = 0.0
        self._travel_m = 0.0
        self._devices: dict[str, DeviceView] = {}
        self._alarms: list[AlarmView] = []
        self._parts: OrderedDict[int, PartView] = OrderedDict()
        self._picks = Rate()
        self._entered = Rate()
        self._trend = _Trend()
        self.latency_ms = Percentiles()

    def state(self, now_s: float, state: State, mode: str, reason: str, counts: dict[str, int]) -> None:
        """The supervisor's word; the stamp of a snapshot is that of the newest one."""
        with self._lock:
            if state != self._state or self._stamp_s == 0.0:
                self._since_s = now_s
            self._stamp_s, self._state, self._mode, self._reason = now_s, state, mode, reason
            self._counts = counts
            self._picks.start(now_s)
            self._entered.start(now_s)
            self._trend.add(now_s, self._picks.per_minute(now_s), self._entered.per_minute(now_s))

    def belt(self, travel_m: float, speed_mps: float) -> None:
        """The encoder's word."""
        with self._lock:
            self._travel_m, self._speed_mps = travel_m, speed_mps

    def device(self, name: str, ok: bool, detail: str) -> None:
        """One line of /diagnostics."""
        with self._lock:
            self._devices[name] = {"name": name, "ok": ok, "detail": detail}

    def alarms(self, alarms: list[AlarmView]) -> None:
        """All alarms, whole."""
        with self._lock:
            self._alarms = alarms

    def part(self, now_s: float, part_id: int, verdict: str, defects: list[str], score: float) -> None:
        """A part whose verdict is final."""
        with self._lock:
            if part_id in self._parts:
                return
            self._entered.add(now_s)
            self._parts[part_id] = {
                "part_id": part_id,
                "verdict": verdict,
                "defects": defects,
                "score": round(score, 4),
                "fate": "",
                "bin": "",
            }
            while len(self._parts) > LAST_PARTS:
                self._parts.popitem(last=False)

    def outcome(self, now_s: float, part_id: int, fate: str, bin_name: str) -> None:
        """A part's fate."""
        with self._lock:
            if fate in PICKED:
                self._picks.add(now_s)
            shown = self._parts.get(part_id)
            if shown is not None and fate in FATES:
                self._parts[part_id] = {**shown, "fate": fate, "bin": bin_name}

    def rates(self, now_s: float) -> tuple[float, float]:
        """Picks and parts a minute over the last minute."""
        with self._lock:
            return self._picks.per_minute(now_s), self._entered.per_minute(now_s)

    def snapshot(self, now_s: float) -> Snapshot:
        """Everything, consistent, as values that nobody changes afterwards."""
        with self._lock:
            latency = self.latency_ms.summary()
            counts: CountsView = {
                "entered": self._counts["entered"],
                "sorted": self._counts["sorted"],
                "passed": self._counts["passed"],
                "missed": self._counts["missed"],
                "dropped": self._counts["dropped"],
                "rejected": self._counts["rejected"],
                "unknown": self._counts["unknown"],
                "in_flight": self._counts["in_flight"],
            }
            state: StateView = {
                "name": self._state.title,
                "code": int(self._state),
                "mode": self._mode,
                "reason": self._reason,
                "since_s": round(max(0.0, now_s - self._since_s), 3),
            }
            return {
                "stamp_s": self._stamp_s,
                "age_s": round(max(0.0, now_s - self._stamp_s), 3),
                "state": state,
                "allowed": [event.title for event in COMMANDS if (self._state, event) in EDGES],
                "counts": counts,
                "rates": {
                    "picks_per_min": round(self._picks.per_minute(now_s), 2),
                    "parts_per_min": round(self._entered.per_minute(now_s), 2),
                },
                "trend": self._trend.view(),
                "belt": {"speed_mps": round(self._speed_mps, 4), "travel_m": round(self._travel_m, 4)},
                "devices": [self._devices[name] for name in sorted(self._devices)],
                "alarms": list(self._alarms),
                "parts": list(reversed(self._parts.values())),
                "model": self._model,
                "policy": self._policy,
                "latency_ms": {
                    "frame_to_decision": {
                        "p50": round(latency.get("p50", 0.0), 2),
                        "p99": round(latency.get("p99", 0.0), 2),
                    }
                },
                "versions": self.versions,
                "simulated": self._simulated,
            }
