"""The tracker: each part once, in its place, with the verdict of all its whole views."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from perception.calibration import CameraModel
from perception.locator import rectangle
from perception.tracking import Tracker, TrackerConfig
from perception.types import BeltPart, Box, PartView, Verdict

THRESHOLD = 0.5


@dataclass(frozen=True)
class Truth:
    """A rectangular part on the belt: centre in belt coordinates and across, yaw of its long side, sides."""

    belt_x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    score: float = 0.2

    def corners(self, travel_m: float) -> np.ndarray:
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [self.length_m / 2, self.width_m / 2]
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return half @ np.array([[cos, sin], [-sin, cos]]) + [self.belt_x_m + travel_m, self.y_m]


def look(camera: CameraModel, parts: Iterable[Truth], travel_m: float, rng: np.random.Generator) -> list[PartView]:
    """The views that a locator with 0.3 px of noise would report, pieces at the borders included."""
    frame = np.array(
        [[0, 0], [camera.width_px, 0], [camera.width_px, camera.height_px], [0, camera.height_px]], np.float32
    )
    views = []
    for part in parts:
        pixels = np.array([camera.to_image(*corner) for corner in part.corners(travel_m)], np.float32)
        if (pixels.max(axis=0) < 1).any() or (pixels.min(axis=0) > frame[2] - 1).any():
            continue
        whole = bool((pixels > 1).all() and (pixels < frame[2] - 1).all())
        if not whole:
            area, cut = cv2.intersectConvexConvex(pixels, frame)
            if area < 400:
                continue
            pixels = np.asarray(cut, np.float32).reshape(-1, 2)
        (x, y), w, h, yaw = rectangle(np.asarray(pixels, np.float64))
        dx, dy, dw, dh = rng.normal(0.0, 0.3, 4)
        boxes = (Box(x, y, 10, 10, "scratch", part.score),) if whole and part.score > 0.1 else ()
        views.append(PartView(x + dx, y + dy, w + dw, h + dh, yaw, whole, part.score if whole else 0.0, boxes))
    return sorted(views, key=lambda view: -view.y_px)


def run(
    tracker: Tracker,
    camera: CameraModel,
    parts: list[Truth],
    travels: Iterable[float],
    *,
    lost: float = 0.0,
    seed: int = 1,
    check: Callable[[tuple[BeltPart, ...]], None] | None = None,
) -> dict[int, BeltPart]:
    """Play frames; returns each part's last state, having checked that ids rise and that what is final stays."""
    rng = np.random.default_rng(seed)
    last: dict[int, BeltPart] = {}
    for frame, travel in enumerate(travels):
        if rng.random() < lost:
            continue
        out = tracker.step(look(camera, parts, travel, rng), travel, frame * 0.1)
        ids = [part.part_id for part in out]
        assert ids == sorted(set(ids))
        for part in out:
            before = last.get(part.part_id)
            if before is None:
                assert part.part_id == len(last) + 1
            elif before.final:
                assert part == before
            last[part.part_id] = part
        if check:
            check(out)
    return last


def line(rng: np.random.Generator, count: int, *, photographs: bool = False) -> list[Truth]:
    """Parts one behind the other with the feeder's smallest gap of 25 mm and more."""
    parts, edge = [], -0.2
    for _ in range(count):
        if photographs:
            # Photographs of 103..632 x 222..385 px at 5 px/mm: x across the belt, so the yaw of the long side varies.
            across, along = rng.uniform(0.0206, 0.126), rng.uniform(0.045, 0.077)
            yaw = 0.0 if along >= across else math.pi / 2
            size = (max(across, along), min(across, along))
            y = 0.0
        else:
            size = (float(rng.uniform(0.04, 0.08)), float(rng.uniform(0.025, 0.04)))
            yaw = float(rng.uniform(-math.pi / 2, math.pi / 2))
            y = float(rng.uniform(-0.10, 0.10))
        half = abs(size[0] * math.cos(yaw)) / 2 + abs(size[1] * math.sin(yaw)) / 2
        edge -= half
        parts.append(Truth(edge, y, yaw, size[0], size[1], float(rng.choice([0.2, 0.8]))))
        edge -= half + float(rng.choice([0.025, 0.06, 0.15]))
    return parts


def matches(found: BeltPart, truth: Truth) -> bool:
    return math.hypot(found.belt_x_m - truth.belt_x_m, found.y_m - truth.y_m) < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_each_part_counts_once_when_a_tenth_of_the_frames_is_lost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    camera = CameraModel.straight()
    parts = line(rng, 40)
    end = -parts[-1].belt_x_m + 0.4
    last = run(Tracker(TrackerConfig(camera, THRESHOLD)), camera, parts, np.arange(0, end, 0.02), lost=0.1, seed=seed)
    assert len(last) == len(parts)
    for found, truth in zip(last.values(), parts, strict=True):
        assert found.final
        assert found.views >= 3
        assert found.belt_x_m == pytest.approx(truth.belt_x_m, abs=0.0008)
        assert found.y_m == pytest.approx(truth.y_m, abs=0.0008)
        assert (
            abs(math.remainder(found.yaw_rad - truth.yaw_rad, math.pi)) < 0.02 or truth.length_m < truth.width_m * 1.2
        )
        assert found.length_m == pytest.approx(truth.length_m, abs=0.001)
        assert found.verdict == (Verdict.DEFECTIVE if truth.score > THRESHOLD else Verdict.GOOD)
        assert found.defects == (("scratch",) if truth.score > THRESHOLD else ())
        assert 0 < found.covariance[0] <= 0.0005**2 / 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lost", [0.0, 0.1])
def test_each_photograph_counts_once_when_it_nearly_fills_the_picture(seed: int, lost: float) -> None:
    rng = np.random.default_rng(seed)
    camera = CameraModel.straight(5000.0)
    parts = line(rng, 40, photographs=True)
    end = -parts[-1].belt_x_m + 0.4
    last = run(Tracker(TrackerConfig(camera, THRESHOLD)), camera, parts, np.arange(0, end, 0.02), lost=lost, seed=seed)
    assert len(last) == len(parts)
    unsure = 0
    for truth in parts:
        (found,) = (part for part in last.values() if matches(part, truth))
        assert found.final
        if found.views:
            assert found.verdict == (Verdict.DEFECTIVE if truth.score > THRESHOLD else Verdict.GOOD)
        else:
            unsure += 1
            assert found.verdict == Verdict.UNSURE
    assert unsure <= (2 if lost == 0.0 else 8)


def test_part_is_unsure_but_counted_when_it_never_lies_in_the_picture_entirely() -> None:
    camera = CameraModel.straight(5000.0)
    tall = Truth(-0.2, 0.0, 0.0, 0.11, 0.05)
    beside = Truth(-0.4, 0.07, math.pi / 2, 0.05, 0.04)
    tracker = Tracker(TrackerConfig(camera, THRESHOLD))
    last = run(tracker, camera, [tall, beside], np.arange(0, 0.7, 0.02))
    assert len(last) == 2
    for found, truth in zip(last.values(), (tall, beside), strict=True):
        assert (found.verdict, found.views, found.final) == (Verdict.UNSURE, 0, True)
        assert found.belt_x_m == pytest.approx(truth.belt_x_m, abs=0.01)


def test_part_counts_once_when_seen_whole_in_one_frame_only() -> None:
    camera = CameraModel.straight(5000.0)
    truth = Truth(-0.2, 0.0, 0.0, 0.08, 0.06, 0.9)
    travels = np.arange(0.0, 0.4, 0.02) + 0.2 % 0.02
    last = run(Tracker(TrackerConfig(camera, THRESHOLD)), camera, [truth], travels)
    assert len(last) == 1
    assert last[1].views == 1
    assert last[1].verdict == Verdict.DEFECTIVE


@pytest.mark.parametrize("photographs", [False, True])
def test_each_part_counts_once_when_belt_stops_and_reverses(photographs: bool) -> None:
    rng = np.random.default_rng(11)
    camera = CameraModel.straight(5000.0 if photographs else 2000.0)
    parts = line(rng, 12, photographs=photographs)
    end = -parts[-1].belt_x_m + 0.4
    travel, travels = 0.0, []
    while travel < end:
        stretch = int(rng.integers(3, 12))
        step = float(rng.choice([0.02, 0.02, 0.02, 0.0, -0.01]))
        for _ in range(stretch):
            travel += step
            travels.append(travel)
    last = run(Tracker(TrackerConfig(camera, THRESHOLD)), camera, parts, travels, lost=0.1)
    assert len(last) == len(parts)
    for truth in parts:
        assert sum(matches(part, truth) for part in last.values()) == 1


def test_final_part_stays_when_reversed_into_view_and_goes_when_kept_long_enough() -> None:
    camera = CameraModel.straight()
    truth = Truth(-0.15, 0.0, 0.0, 0.06, 0.04)
    tracker = Tracker(TrackerConfig(camera, THRESHOLD, keep_m=0.5))
    forth = list(np.arange(0.0, 0.4, 0.02))
    last = run(tracker, camera, [truth], [*forth, *forth[::-1], *forth])
    assert list(last) == [1]
    assert last[1].final
    rng = np.random.default_rng(1)
    assert len(tracker.step([], 0.73, 9.0)) == 1
    assert tracker.step(look(camera, [truth], 0.9, rng), 0.9, 9.1) == ()


def test_verdict_is_pending_then_final_once_when_part_passes() -> None:
    camera = CameraModel.straight()
    truth = Truth(-0.15, 0.0, 0.0, 0.06, 0.04, 0.9)
    seen: list[tuple[bool, Verdict]] = []
    run(
        Tracker(TrackerConfig(camera, THRESHOLD)),
        camera,
        [truth],
        np.arange(0.0, 0.5, 0.02),
        check=lambda out: seen.extend((part.final, part.verdict) for part in out),
    )
    assert seen[0] == (False, Verdict.DEFECTIVE)
    finals = [final for final, _ in seen]
    assert finals == sorted(finals)
    # The front at belt -0.12 reaches the lower border (0.12) at a travel of 0.24: the 13th frame.
    assert abs(finals.count(False) - (12 - 4)) <= 1
    assert sum(1 for final in finals if final) == 25 - 4 - finals.count(False)


def test_mean_score_decides_when_views_disagree() -> None:
    camera = CameraModel.straight()
    view = PartView(320, 240, 60, 40, 0.1, True, 0.0, ())
    for scores, verdict in (((0.9, 0.0, 0.3), Verdict.GOOD), ((0.9, 0.2, 0.5), Verdict.DEFECTIVE)):
        tracker = Tracker(TrackerConfig(camera, THRESHOLD))
        for score in scores:
            out = tracker.step([replace(view, score=score)], 0.0, 0.0)
        assert out[0].verdict == verdict
        assert out[0].score == pytest.approx(np.mean(scores))
        assert out[0].views == 3


def test_side_by_side_parts_stay_apart_when_their_extents_overlap() -> None:
    camera = CameraModel.straight()
    first = Truth(-0.200, 0.020, math.radians(45), 0.07, 0.03)
    second = Truth(-0.235, -0.025, math.radians(45), 0.07, 0.03)
    last = run(Tracker(TrackerConfig(camera, THRESHOLD)), camera, [first, second], np.arange(0, 0.6, 0.02), lost=0.1)
    assert len(last) == 2
    assert matches(last[1], first)
    assert matches(last[2], second)


def test_pieces_become_one_part_when_it_is_seen_whole() -> None:
    camera = CameraModel.straight()
    tracker = Tracker(TrackerConfig(camera, THRESHOLD))
    # A fork enters: two prongs first, then the whole.
    prongs = [PartView(x, 10, 20, 20, 0.0, False, 0.0, ()) for x in (300, 360)]
    assert tracker.step(prongs, 0.0, 0.0) == ()
    out = tracker.step([PartView(330, 65, 80, 50, 0.0, True, 0.2, ())], 0.035, 0.1)
    assert [part.part_id for part in out] == [1]
    out = tracker.step([], 0.5, 0.2)
    assert [part.part_id for part in out] == [1]


def test_yaw_is_that_of_the_long_side_in_the_cell_frame_when_reported() -> None:
    camera = CameraModel.straight()
    for truth_yaw in (-1.4, -0.6, 0.0, 0.4, 1.2, math.pi / 2):
        truth = Truth(-0.1, 0.01, truth_yaw, 0.07, 0.04)
        last = run(Tracker(TrackerConfig(camera, THRESHOLD)), camera, [truth], np.arange(0, 0.2, 0.02))
        assert abs(math.remainder(last[1].yaw_rad - truth_yaw, math.pi)) < 0.02


def test_pieces_of_a_known_part_are_no_new_parts_when_it_leaves_as_two() -> None:
    tracker = Tracker(TrackerConfig(CameraModel.straight(), THRESHOLD))
    tracker.step([PartView(330, 400, 80, 50, 0.0, True, 0.2, ())], 0.0, 0.0)
    prongs = [PartView(x, 470, 20, 20, 0.0, False, 0.0, ()) for x in (302, 358)]
    assert [part.part_id for part in tracker.step(prongs, 0.035, 0.1)] == [1]
    assert [part.part_id for part in tracker.step([], 0.5, 0.2)] == [1]


def test_ids_follow_the_belt_when_two_parts_appear_at_once() -> None:
    tracker = Tracker(TrackerConfig(CameraModel.straight(), THRESHOLD))
    views = [PartView(330, y, 80, 50, 0.0, True, 0.2, ()) for y in (100, 300)]
    first, second = tracker.step(views, 0.0, 0.0)
    assert first.belt_x_m > second.belt_x_m


def test_part_is_counted_when_only_its_entry_was_seen() -> None:
    tracker = Tracker(TrackerConfig(CameraModel.straight(), THRESHOLD))
    assert tracker.step([PartView(330, 10, 80, 20, 0.0, False, 0.0, ())], 0.0, 0.0) == ()
    (part,) = tracker.step([], 0.25, 0.1)
    assert (part.part_id, part.verdict, part.final, part.views) == (1, Verdict.UNSURE, True, 0)
