"""From views to parts: each part counted exactly once, followed in belt coordinates, judged over all its whole views.

A part lies still in belt coordinates (cell x minus the belt's travel at the exposure), so what a view belongs to is a
question of place alone, and a stopped or reversed belt, lost frames and repeated frames change nothing. A part is known
from its first view, but gets its id, and is handed on, only once it is certain to be one part: from its first whole
view, or, when it never lies in the picture entirely, as it leaves. Until then pieces of it that a border cuts off may
still turn out to be one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from perception.calibration import CameraModel
from perception.types import BeltPart, PartView, Verdict

# A view whose outline reaches this near to the border, in pixels, is cut there: one pixel and the outline's error.
BORDER_PX = 2.0
# Sides closer than this share do not tell which is the long one; the yaw then follows the earlier views.
SQUARE_SHARE = 1.15


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """How parts are followed.

    Attributes:
        camera: the camera's calibration.
        threshold: mean score from which a part is defective (the model's card).
        keep_m: belt travel for which a part stays in the output after it has left the picture.
        gate_m: greatest gap between a view and the part it belongs to; half of the smallest gap between parts at most.
        sigma_m: standard deviation of one whole view's centre: outline (0.3 px) and encoder latch.
    """

    camera: CameraModel
    threshold: float
    keep_m: float = 1.2
    gate_m: float = 0.006
    sigma_m: float = 0.0005


@dataclass(frozen=True, slots=True)
class _Extent:
    """An upright rectangle in belt coordinates."""

    x0: float
    y0: float
    x1: float
    y1: float

    def grown(self, by_m: float) -> _Extent:
        return _Extent(self.x0 - by_m, self.y0 - by_m, self.x1 + by_m, self.y1 + by_m)

    def union(self, other: _Extent) -> _Extent:
        return _Extent(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def shared(self, other: _Extent) -> float:
        """Area in common, square metres."""
        w = min(self.x1, other.x1) - max(self.x0, other.x0)
        h = min(self.y1, other.y1) - max(self.y0, other.y0)
        return w * h if w > 0.0 and h > 0.0 else 0.0

    @property
    def area(self) -> float:
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A view in belt coordinates; ``yaw_rad`` is its ``along_m`` side's direction in the cell frame."""

    view: PartView
    extent: _Extent
    x_m: float
    y_m: float
    yaw_rad: float
    along_m: float
    across_m: float
    leaving: bool


@dataclass(slots=True)
class _Track:
    """What is known of one part; sums over whole views, for means."""

    extent: _Extent
    stamp_s: float
    part_id: int | None = None
    views: int = 0
    x_sum: float = 0.0
    y_sum: float = 0.0
    cos_sum: float = 0.0
    sin_sum: float = 0.0
    along_sum: float = 0.0
    across_sum: float = 0.0
    score_sum: float = 0.0
    classes: dict[str, float] = field(default_factory=dict)
    final_at_m: float | None = None

    def see(self, sighting: _Sighting, stamp_s: float) -> None:
        self.stamp_s = max(self.stamp_s, stamp_s)
        view = sighting.view
        if not view.whole:
            # A piece proves that the part is there; once the whole is known a piece adds nothing.
            if self.views == 0:
                self.extent = self.extent.union(sighting.extent)
            return
        yaw, along, across = sighting.yaw_rad, sighting.along_m, sighting.across_m
        if self.views and max(along, across) < SQUARE_SHARE * min(along, across):
            reference = math.atan2(self.sin_sum, self.cos_sum) / 2
            if abs(math.remainder(yaw - reference, math.pi)) > math.pi / 4:
                yaw, along, across = yaw + math.pi / 2, across, along
        elif across > along:
            yaw, along, across = yaw + math.pi / 2, across, along
        self.extent = sighting.extent
        self.views += 1
        self.x_sum += sighting.x_m
        self.y_sum += sighting.y_m
        # Lines have no direction: angles are averaged doubled.
        self.cos_sum += math.cos(2 * yaw)
        self.sin_sum += math.sin(2 * yaw)
        self.along_sum += along
        self.across_sum += across
        self.score_sum += view.score
        best: dict[str, float] = {}
        for box in view.defects:
            best[box.class_name] = max(best.get(box.class_name, 0.0), box.score)
        for name, score in best.items():
            self.classes[name] = self.classes.get(name, 0.0) + score

    def holds(self, x_m: float, y_m: float, gate_m: float) -> bool:
        """Whether a point lies on the part, which has been seen whole."""
        yaw = math.atan2(self.sin_sum, self.cos_sum) / 2
        dx, dy = x_m - self.x_sum / self.views, y_m - self.y_sum / self.views
        along = abs(dx * math.cos(yaw) + dy * math.sin(yaw))
        across = abs(-dx * math.sin(yaw) + dy * math.cos(yaw))
        return along <= self.along_sum / self.views / 2 + gate_m and across <= self.across_sum / self.views / 2 + gate_m


class Tracker:
    """Follows the parts of one belt; pure, one call a frame, in the order of exposure."""

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self._tracks: list[_Track] = []
        self._next_id = 1
        camera = config.camera
        corners = ((0, 0), (camera.width_px, 0), (camera.width_px, camera.height_px), (0, camera.height_px))
        in_cell = [camera.to_cell(x, y) for x, y in corners]
        self._picture = _Extent(
            min(x for x, _ in in_cell),
            min(y for _, y in in_cell),
            max(x for x, _ in in_cell),
            max(y for _, y in in_cell),
        )

    def step(self, views: Sequence[PartView], travel_m: float, stamp_s: float) -> tuple[BeltPart, ...]:
        """One frame.

        Args:
            views: what the frame shows.
            travel_m: the belt's travel at its exposure.
            stamp_s: its exposure on the frame's clock.

        Returns:
            Every part with an id, in the order of the ids: those in the picture, and those that have left it within the
            last ``keep_m`` of travel.
        """
        sightings = [self._sighting(view, travel_m) for view in views]
        self._assign(sightings, stamp_s)
        self._merge_pieces()
        # Ids in the order in which the parts will reach the arm.
        for track in sorted(self._tracks, key=lambda track: -track.extent.x1):
            left = track.extent.x0 + travel_m >= self._picture.x1
            if track.part_id is None and (track.views or left):
                self._name(track)
            # Once its front is out of the picture, no further view of a part is whole: what is known is all there is.
            judged = track.views > 0 and track.extent.x1 + travel_m >= self._picture.x1
            if (left or judged) and track.final_at_m is None:
                track.final_at_m = travel_m
        self._tracks = [
            track
            for track in self._tracks
            if track.final_at_m is None or travel_m - track.final_at_m <= self._config.keep_m
        ]
        named = [track for track in self._tracks if track.part_id is not None]
        return tuple(self._part(track) for track in sorted(named, key=lambda track: track.part_id or 0))

    def _name(self, track: _Track) -> None:
        track.part_id = self._next_id
        self._next_id += 1

    def _sighting(self, view: PartView, travel_m: float) -> _Sighting:
        camera = self._config.camera
        cos, sin = math.cos(view.yaw_rad), math.sin(view.yaw_rad)

        def point(along: float, across: float) -> tuple[float, float]:
            dx, dy = along * view.w_px, across * view.h_px
            return view.x_px + dx * cos - dy * sin, view.y_px + dx * sin + dy * cos

        corners_px = [point(along, across) for along, across in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
        corners = [camera.to_cell(*corner) for corner in corners_px]
        extent = _Extent(
            min(x for x, _ in corners),
            min(y for _, y in corners),
            max(x for x, _ in corners),
            max(y for _, y in corners),
        )
        if not view.whole:
            # A rectangle around a piece may reach beyond the border that cuts it.
            picture = self._picture
            extent = _Extent(
                max(extent.x0, picture.x0),
                max(extent.y0, picture.y0),
                min(extent.x1, picture.x1),
                min(extent.y1, picture.y1),
            )
        x_m, y_m = camera.to_cell(view.x_px, view.y_px)
        ends = [camera.to_cell(*point(*end)) for end in ((-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5))]
        (ax, ay), (bx, by) = ends[0], ends[1]
        return _Sighting(
            view,
            _Extent(extent.x0 - travel_m, extent.y0, extent.x1 - travel_m, extent.y1),
            x_m - travel_m,
            y_m,
            math.atan2(by - ay, bx - ax),
            math.hypot(bx - ax, by - ay),
            math.dist(ends[2], ends[3]),
            any(y >= camera.height_px - BORDER_PX for _, y in corners_px),
        )

    def _assign(self, sightings: Sequence[_Sighting], stamp_s: float) -> None:
        """Give each view to the part in its place, best overlap first, one view a part; the rest are new parts."""
        gate = self._config.gate_m
        pairs: list[tuple[float, int, int]] = []
        for s, sighting in enumerate(sightings):
            grown = sighting.extent.grown(gate)
            for t, track in enumerate(self._tracks):
                share = grown.shared(track.extent) / min(grown.area, max(track.extent.area, 1e-12))
                if share > 0.0:
                    pairs.append((share, s, t))
        pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
        owner: dict[int, int] = {}
        taken: set[int] = set()
        for _, s, t in pairs:
            if s not in owner and t not in taken:
                owner[s] = t
                taken.add(t)
        for s, sighting in enumerate(sightings):
            if s in owner:
                track = self._tracks[owner[s]]
            elif self._on_known_part(sighting):
                continue
            else:
                track = _Track(sighting.extent, stamp_s)
                self._tracks.append(track)
            if track.final_at_m is not None:
                continue
            track.see(sighting, stamp_s)
            if track.part_id is None and sighting.leaving and not sighting.view.whole:
                self._name(track)

    def _on_known_part(self, sighting: _Sighting) -> bool:
        """A second view of a part that another view of this frame already stands for: a piece of it."""
        return any(track.views and track.holds(*sighting.extent.centre, self._config.gate_m) for track in self._tracks)

    def _merge_pieces(self) -> None:
        """Drop nameless pieces that a part, seen whole meanwhile, explains."""
        wholes = [track for track in self._tracks if track.views]
        self._tracks = [
            track
            for track in self._tracks
            if track.part_id is not None
            or track.views
            or not any(whole.holds(*track.extent.centre, self._config.gate_m) for whole in wholes)
        ]

    def _part(self, track: _Track) -> BeltPart:
        final = track.final_at_m is not None
        part_id = track.part_id or 0
        if not track.views:
            x_m, y_m = track.extent.centre
            length, width = track.extent.x1 - track.extent.x0, track.extent.y1 - track.extent.y0
            # Somewhere within what was seen of it.
            covariance = ((length / 4) ** 2, 0.0, 0.0, (width / 4) ** 2)
            yaw = 0.0 if length >= width else math.pi / 2
            verdict = Verdict.UNSURE if final else Verdict.PENDING
            sides = (max(length, width), min(length, width))
            return BeltPart(part_id, x_m, y_m, yaw, *sides, covariance, verdict, 0.0, (), 0, final, track.stamp_s)
        n = track.views
        yaw = math.atan2(track.sin_sum, track.cos_sum) / 2
        length, width = track.along_sum / n, track.across_sum / n
        if width > length:
            yaw, length, width = math.remainder(yaw + math.pi / 2, math.pi), width, length
        variance = self._config.sigma_m**2 / n
        score = track.score_sum / n
        defective = score >= self._config.threshold
        return BeltPart(
            part_id,
            track.x_sum / n,
            track.y_sum / n,
            yaw,
            length,
            width,
            (variance, 0.0, 0.0, variance),
            Verdict.DEFECTIVE if defective else Verdict.GOOD,
            score,
            self._defects(track) if defective else (),
            n,
            final,
            track.stamp_s,
        )

    def _defects(self, track: _Track) -> tuple[str, ...]:
        """Classes whose mean score reaches the threshold, strongest first; at least the strongest there is."""
        ranked = sorted(track.classes.items(), key=lambda item: (-item[1], item[0]))
        strong = [name for name, total in ranked if total / track.views >= self._config.threshold]
        return tuple(strong or [name for name, _ in ranked[:1]])
