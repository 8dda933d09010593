"""What the page shows and may ask for: the one interface between a running cell and the page's server.

The status node implements ``CellView``; the server only calls it. Everything crosses threads, so a snapshot is a value:
the view hands out a fresh dictionary each time and never changes it afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypedDict

COMMANDS: Final[dict[str, int]] = {
    "reset": 1,
    "start": 2,
    "stop": 3,
    "hold": 4,
    "unhold": 5,
    "suspend": 6,
    "unsuspend": 7,
    "abort": 8,
    "clear": 9,
    "complete": 10,
}
"""The PackML commands by the word that the page sends; the numbers are those of ``cell_msgs/srv/StateCommand``."""


class StateView(TypedDict):
    """The PackML state. ``name`` as the standard writes it ("Execute"), ``since_s``: seconds since it was entered."""

    name: str
    code: int
    mode: str
    reason: str
    since_s: float


class CountsView(TypedDict):
    """Parts of the ledger by fate; ``entered`` is the sum of all others."""

    entered: int
    sorted: int
    passed: int
    missed: int
    dropped: int
    rejected: int
    unknown: int
    in_flight: int


class RatesView(TypedDict):
    """Of the last minute."""

    picks_per_min: float
    parts_per_min: float


class TrendView(TypedDict):
    """Three lists of one length, oldest first; ``t_s`` on the clock of ``stamp_s``. A few hundred points at most."""

    t_s: list[float]
    picks_per_min: list[float]
    parts_per_min: list[float]


class BeltView(TypedDict):
    """The belt as its encoder tells it."""

    speed_mps: float
    travel_m: float


class DeviceView(TypedDict):
    """One device; ``detail`` in a few words, for example why it is not well."""

    name: str
    ok: bool
    detail: str


class AlarmView(TypedDict):
    """One alarm; ``priority`` as in ``cell_msgs/msg/Alarm``: 1 low, 2 medium, 3 high, 4 critical."""

    key: str
    priority: int
    active: bool
    acknowledged: bool
    message: str
    since_s: float


class PartView(TypedDict):
    """One of the last parts: what was judged and what became of it. ``fate`` and ``bin`` are empty while it is open."""

    part_id: int
    verdict: str
    defects: list[str]
    score: float
    fate: str
    bin: str


class ModelView(TypedDict):
    """The detector's model; ``overkill`` and ``threshold`` are fractions from its card."""

    id: str
    hash: str
    overkill: float
    threshold: float
    licence: str


class QuantilesView(TypedDict):
    """Milliseconds."""

    p50: float
    p99: float


class LatencyView(TypedDict):
    """From the camera's stamp to the decision."""

    frame_to_decision: QuantilesView


class Snapshot(TypedDict):
    """Everything the page shows, ready for JSON (no NaN, no NumPy scalars).

    ``stamp_s`` is the time of the data on the cell's clock, ``age_s`` how old it was when the snapshot was taken: a
    page shows data older than a second as stale. ``allowed`` names the PackML commands ("Start", "Stop") that would be
    accepted at that moment. ``parts`` holds the last few, newest first.
    """

    stamp_s: float
    age_s: float
    state: StateView
    allowed: list[str]
    counts: CountsView
    rates: RatesView
    trend: TrendView
    belt: BeltView
    devices: list[DeviceView]
    alarms: list[AlarmView]
    parts: list[PartView]
    model: ModelView
    policy: str
    latency_ms: LatencyView
    versions: dict[str, str]
    simulated: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """The camera's picture with the detector's boxes drawn in.

    Attributes:
        sequence: counts pictures; an equal number means the same picture.
        jpeg: the encoded bytes.
    """

    sequence: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command: whether it was accepted, why in words, and the name of the state after it."""

    accepted: bool
    message: str
    state: str


class CellView(Protocol):
    """A running cell as its page sees it. All methods are called from the server's threads, never from the graph's."""

    def snapshot(self) -> Snapshot:
        """The state of the cell now. Cheap (below a millisecond); called at most five times a second."""
        ...

    def picture(self) -> Picture | None:
        """The newest picture, or None before the first. Encoded only when called: nobody looking costs nothing."""
        ...

    def command(self, name: str, by: str) -> CommandResult:
        """Carry out one of ``COMMANDS`` on behalf of ``by``. May block for about a second."""
        ...
