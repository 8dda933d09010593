"""The feeder: which part comes next, after how much belt, and how it lies.

Everything is drawn from the seed and the part's number, in units of belt travel: the same parts come in the same places
whatever the belt does meanwhile.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.faces.types import Face, FaceSource
from sim.scenario import Scenario
from sim.world.parts import PlacedPart

_STREAM = 0xFEED
#: Parts lie at least this far inside the picture, m: two pixels and a rounding at the usual scales.
_BORDER_M = 0.0006
#: Belt travel at which the first part comes, m.
_FIRST_M = 0.005
#: Mean extra gap inside a run of ``bursty`` or ``batch`` arrivals, m.
_RUN_GAP_M = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A part, and the belt travel at which it comes onto the belt."""

    travel_m: float
    part: PlacedPart


class Feeder:
    """Parts in their order; ``next`` is the one that waits, None when the feed has ended.

    Args:
        scenario: its ``feed``, and the picture into which parts have to fit.
        seed: of places, gaps and faces.
        faces: ends the feed when it ends.
    """

    def __init__(self, scenario: Scenario, seed: int, faces: FaceSource) -> None:
        self._arrivals = _arrivals(scenario, seed, faces.stream(seed))
        self.next: Arrival | None = next(self._arrivals, None)

    def take(self) -> Arrival:
        """The waiting part. Raises: LookupError: there is none."""
        arrival = self.next
        if arrival is None:
            raise LookupError("the feed has ended")
        self.next = next(self._arrivals, None)
        return arrival


def _arrivals(scenario: Scenario, seed: int, faces: Iterator[Face]) -> Iterator[Arrival]:
    feed = scenario.feed
    mean_m = feed.nominal_speed_mps * 60.0 / feed.rate_per_min
    travel_m, before_m = 0.0, 0.0
    left_in_run, run_used_m, run_length = 0, 0.0, 0
    for number, face in enumerate(itertools.islice(faces, feed.parts)):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAM, seed, number])))
        y_m, yaw_rad = _lay(rng, face, scenario)
        half_m = PlacedPart(number, face, 0.0, y_m, yaw_rad).half_extent_m()[0]
        least_m = before_m + half_m + feed.min_gap_m
        if feed.arrivals == "poisson":
            gap_m = least_m + _more(rng, mean_m - least_m)
        elif left_in_run > 0:
            gap_m = least_m + _more(rng, _RUN_GAP_M)
            run_used_m += gap_m
        else:
            # The pause makes up for the run before it, so that the mean rate holds.
            pause_m = max(run_length, 1) * mean_m - run_used_m
            gap_m = least_m + (
                _more(rng, pause_m - least_m) if feed.arrivals == "bursty" else max(pause_m - least_m, 0.0)
            )
            run_length = int(rng.geometric(1.0 / feed.burst_mean)) if feed.arrivals == "bursty" else feed.batch_size
            run_used_m, left_in_run = 0.0, run_length
        left_in_run -= 1
        # The feeder stands loaded: the first part comes as soon as the belt moves.
        travel_m += gap_m if number else _FIRST_M
        yield Arrival(travel_m, PlacedPart(number, face, feed.x_m - travel_m, y_m, yaw_rad))
        before_m = half_m


def _more(rng: np.random.Generator, mean_m: float) -> float:
    return float(rng.exponential(mean_m)) if mean_m > 0.0 else 0.0


def _lay(rng: np.random.Generator, face: Face, scenario: Scenario) -> tuple[float, float]:
    """Where across the belt and how turned a part comes, so that the camera sees all of it."""
    camera = scenario.camera
    half_picture_m = camera.width_px / camera.px_per_m / 2.0 - _BORDER_M
    if face.upright:
        slack = max(0.0, 2.0 * half_picture_m - face.length_m) / face.width_m
        tilt = min(scenario.photographs.yaw_rad, slack)
        yaw_rad = float(rng.uniform(-tilt, tilt)) - math.pi / 2.0
    else:
        yaw_rad = float(rng.uniform(-math.pi, math.pi))
    half_m = PlacedPart(0, face, 0.0, 0.0, yaw_rad).half_extent_m()[1]
    reach_m = max(0.0, min(scenario.feed.lateral_m, half_picture_m - half_m, scenario.belt.width_m / 2.0 - half_m))
    return float(rng.uniform(-reach_m, reach_m)), yaw_rad
