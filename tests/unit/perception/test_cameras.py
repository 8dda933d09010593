"""Cameras: the newest frame, its stamp, the end, and what cannot be opened."""

from __future__ import annotations

import logging
import queue
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.cameras import Camera, FolderSource, open_camera
from perception.errors import InputError
from perception.images import Image


class HandFed:
    """A device that delivers what the test puts in; None ends it."""

    period_s = 0.0

    def __init__(self) -> None:
        self.frames: queue.Queue[Image | None] = queue.Queue()
        self.closed = False

    def read(self) -> Image | None:
        return self.frames.get(timeout=10.0)

    def close(self) -> None:
        self.closed = True


def picture(value: int) -> Image:
    return np.full((4, 6, 3), value, np.uint8)


def test_newest_frame_wins_when_reader_is_slow() -> None:
    source = HandFed()
    now = [10.0]
    with Camera(source, clock=lambda: now[0]) as camera:
        assert camera.latest is None
        assert camera.age_s() is None
        for value in range(5):
            source.frames.put(picture(value))
        frame = camera.wait(after=3, timeout_s=5.0)
        assert frame is not None
        assert (frame.image[0, 0, 0], frame.sequence, frame.stamp_s) == (4, 4, 10.0)
        now[0] = 12.5
        assert camera.age_s() == 2.5
        source.frames.put(None)
        assert camera.wait(after=4, timeout_s=5.0) is None
        assert camera.ended
        assert camera.latest is frame
    assert source.closed


def test_camera_ends_and_says_why_when_device_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(HandFed):
        def read(self) -> Image | None:
            raise OSError("cable pulled")

    source = Broken()
    with caplog.at_level(logging.ERROR), Camera(source) as camera:
        assert camera.wait(timeout_s=5.0) is None
        assert camera.ended
    assert "cable pulled" in caplog.text
    assert source.closed


def test_folder_is_read_by_name_when_a_picture_is_truncated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("b.png", "a.png"):
        cv2.imwrite(str(tmp_path / name), picture(ord(name[0])))
    (tmp_path / "aa.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "notes.txt").write_text("no picture")
    source = FolderSource(tmp_path, period_s=0.0)
    images = [source.read(), source.read(), source.read()]
    assert [None if image is None else int(image[0, 0, 0]) for image in images] == [97, 98, None]
    assert source.skipped == 1
    assert "aa.jpg" in caplog.text


def test_folder_and_video_are_opened_when_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), picture(7))
    with open_camera(str(tmp_path)) as camera:
        frame = camera.wait(timeout_s=5.0)
        assert frame is not None
        assert frame.image[0, 0, 0] == 7
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    for _ in range(3):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    with open_camera(video) as camera:
        frame = camera.wait(timeout_s=5.0)
        assert frame is not None
        assert frame.image.shape == (48, 64, 3)


@pytest.mark.parametrize("source", ["missing.avi", "/dev/video97", "97", 97])
def test_source_is_refused_when_absent(source: str | int) -> None:
    with pytest.raises(InputError, match="no such camera"):
        open_camera(source)


def test_source_is_refused_when_empty_or_no_video(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        open_camera(tmp_path)
    (tmp_path / "clip.avi").write_bytes(b"no video at all")
    with pytest.raises(InputError, match=r"clip\.avi"):
        open_camera(tmp_path / "clip.avi")
