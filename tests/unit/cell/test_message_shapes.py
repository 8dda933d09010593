"""What a message carries comes out as it went in."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from cell.drivers.interfaces import GripperStatus
from cell.nodes import belt, detections, fingers, images
from cell.nodes.node import seconds, stamp_of
from cell.odometry import Sample
from perception.types import Box, PartView

HEADER = Header(stamp=stamp_of(1_795_187_120.25), frame_id="camera")


def test_stamp_keeps_its_nanoseconds() -> None:
    stamp = stamp_of(12.000000001)
    assert (stamp.sec, stamp.nanosec) == (12, 1)
    assert seconds(stamp_of(7.999999999)) == pytest.approx(7.999999999, abs=1e-10)
    assert stamp_of(7.9999999999).sec == 8


def test_picture_shares_its_pixels_with_the_message() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    message = images.to_message(picture, HEADER)
    assert (message.height, message.width, message.step, message.encoding) == (5, 7, 21, "bgr8")
    back = images.from_message(message)
    assert np.array_equal(back, picture)
    assert np.shares_memory(back, picture)


def test_picture_is_whole_when_it_was_a_view_with_gaps() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)[::2, ::2]
    assert np.array_equal(images.from_message(images.to_message(picture, HEADER)), picture)


@pytest.mark.parametrize(("encoding", "size"), [("mono8", 12), ("rgb8", 12), ("bgr8", 11)])
def test_picture_is_refused_when_it_is_not_what_it_says(encoding: str, size: int) -> None:
    message = Image(header=HEADER, height=2, width=2, encoding=encoding, step=6, data=np.zeros(size, np.uint8))
    with pytest.raises(ValueError):
        images.from_message(message)


VIEWS = (
    PartView(100.5, 50.25, 80.0, 40.0, 0.5, True, 0.75, (Box(90.0, 40.0, 8.0, 6.0, "scratch", 0.75),)),
    PartView(300.0, 2.0, 70.0, 4.0, -0.25, False, 0.0, ()),
    PartView(
        400.0, 300.0, 60.0, 60.0, 0.0, True, 0.5,
        (Box(1.0, 2.0, 3.0, 4.0, "hole", 0.5), Box(5.0, 6.0, 7.0, 8.0, "hole", 0.25)),
    ),
)  # fmt: skip


@pytest.mark.parametrize("views", [(), VIEWS[:1], VIEWS, VIEWS * 5])
def test_views_come_out_as_they_went_in(views: tuple[PartView, ...]) -> None:
    message = detections.to_message(views, HEADER)
    assert message.header == HEADER
    assert len(message.detections) == len(views) + sum(len(view.defects) for view in views)
    assert detections.from_message(message) == views


@pytest.mark.parametrize("strobe_m", [None, 1.25])
def test_belt_state_comes_out_as_it_went_in(strobe_m: float | None) -> None:
    header = Header(stamp=stamp_of(2.5))
    assert belt.sample(belt.message(header, 1.5, 0.2, strobe_m)) == Sample(2.5, 1.5, 0.2, strobe_m)


def test_gripper_state_comes_out_as_it_went_in() -> None:
    status = GripperStatus(
        activated=True, moving=False, object_detected=True, at_request=False, width_m=0.04,
        requested_width_m=0.0, current_a=0.25, fault=0,
    )  # fmt: skip
    message = fingers.message(Header(stamp=stamp_of(3.0)), status)
    assert message.effort[0] == 0.25
    view = fingers.view(message)
    assert (view.width_m, view.moving, view.object_detected, view.at_request) == (0.04, False, True, False)
    assert (view.requested_width_m, view.stamp_s) == (0.0, 3.0)
