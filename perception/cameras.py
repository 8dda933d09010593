"""Cameras, files and folders behind one surface: the newest frame with its stamp, never a stale one unnoticed.

A camera owns a thread that reads as fast as the source delivers and keeps only the newest frame; who judges frames
slower than they come misses some, but never looks at old ones from a buffer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np

from perception.errors import InputError
from perception.images import Image, as_bgr, image_files, read_image

LOG = logging.getLogger(__name__)

# Files have no rate of their own unless a video names one: that of the cell's camera.
DEFAULT_PERIOD_S = 0.1
# How long a network camera may take to answer before it counts as absent.
OPEN_TIMEOUT_MS = 5000


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture (BGR), the time at which it was read (the camera's clock, seconds), and its number from 0."""

    image: Image
    stamp_s: float
    sequence: int


class FrameSource(Protocol):
    """Where frames come from. ``period_s`` is 0 where ``read`` itself waits for the device; ``read`` returns None at
    the end, or when the device is gone."""

    period_s: float

    def read(self) -> Image | None: ...

    def close(self) -> None: ...


class CaptureSource:
    """Whatever OpenCV can open: a V4L2 device, a network stream, a video file.

    Raises:
        InputError: it cannot be opened, or yields no frame.
    """

    def __init__(self, source: int | str) -> None:
        if isinstance(source, int):
            self._capture = cv2.VideoCapture(source, cv2.CAP_V4L2)
            # One buffer: the driver must not queue old frames.
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        else:
            timeout = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, OPEN_TIMEOUT_MS]
            self._capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, timeout)
        if not self._capture.isOpened():
            raise InputError("cannot be opened as a camera or video", file=str(source))
        is_file = isinstance(source, str) and "://" not in source
        rate = float(self._capture.get(cv2.CAP_PROP_FPS)) if is_file else 0.0
        self.period_s = (1.0 / rate if rate > 0.0 else DEFAULT_PERIOD_S) if is_file else 0.0

    def read(self) -> Image | None:
        good, image = self._capture.read()
        return as_bgr(np.asarray(image)) if good else None

    def close(self) -> None:
        self._capture.release()


class FolderSource:
    """The pictures of a folder, by name, each once; one that cannot be read is skipped with a warning and counted.

    Raises:
        InputError: no picture in the folder.
    """

    def __init__(self, folder: Path, *, period_s: float = DEFAULT_PERIOD_S) -> None:
        self._files = image_files(folder)
        if not self._files:
            raise InputError("holds no pictures", file=folder)
        self._next = 0
        self.period_s = period_s
        self.skipped = 0

    def read(self) -> Image | None:
        while self._next < len(self._files):
            path = self._files[self._next]
            self._next += 1
            image = read_image(path)
            if image is not None:
                return image
            self.skipped += 1
            LOG.warning("%s: cannot be read as a picture, skipped", path)
        return None

    def close(self) -> None:
        """Nothing is held open between two pictures."""


class Camera:
    """A source and its thread.

    Args:
        source: read by the thread only.
        clock: seconds, monotonic; stamps and ages are on it.
    """

    def __init__(self, source: FrameSource, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._fresh = threading.Condition()
        self._frame: Frame | None = None
        self._ended = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()

    @property
    def latest(self) -> Frame | None:
        """The newest frame, whatever its age; None before the first."""
        with self._fresh:
            return self._frame

    @property
    def ended(self) -> bool:
        """The source delivers no more: end of the files, or the device is gone."""
        with self._fresh:
            return self._ended

    def age_s(self) -> float | None:
        """How old the newest frame is; None before the first."""
        frame = self.latest
        return None if frame is None else self._clock() - frame.stamp_s

    def wait(self, after: int = -1, *, timeout_s: float) -> Frame | None:
        """The newest frame once its number is above ``after``; None at the end or after the time-out."""
        with self._fresh:
            self._fresh.wait_for(lambda: self._ended or self._number() > after, timeout_s)
            return self._frame if self._number() > after else None

    def close(self) -> None:
        """Stop the thread and let go of the device."""
        self._stop.set()
        self._thread.join(timeout=OPEN_TIMEOUT_MS / 1000 + 1.0)

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _number(self) -> int:
        return -1 if self._frame is None else self._frame.sequence

    def _read(self) -> None:
        sequence = 0
        try:
            while not self._stop.is_set():
                image = self._source.read()
                if image is None:
                    break
                with self._fresh:
                    self._frame = Frame(image, self._clock(), sequence)
                    self._fresh.notify_all()
                sequence += 1
                if self._source.period_s > 0.0:
                    self._stop.wait(self._source.period_s)
        except Exception:  # a thread's top: without this the picture would freeze and nobody would know why
            LOG.exception("the camera's thread ended on an error")
        finally:
            with self._fresh:
                self._ended = True
                self._fresh.notify_all()
            self._source.close()


def open_camera(source: int | str | Path, *, clock: Callable[[], float] = time.monotonic) -> Camera:
    """A camera by its V4L2 number (``0`` or ``/dev/video0``), a stream's URL, a video file or a folder of pictures.

    Raises:
        InputError: no such device, file or folder, nothing that can be opened, or a folder without pictures.
    """
    if isinstance(source, str) and source.isdecimal():
        source = int(source)
    if isinstance(source, int):
        if not Path(f"/dev/video{source}").exists():
            raise InputError("no such camera", file=f"/dev/video{source}")
        return Camera(CaptureSource(source), clock=clock)
    if isinstance(source, str) and "://" in source:
        return Camera(CaptureSource(source), clock=clock)
    path = Path(source)
    if not path.exists():
        raise InputError("no such camera, file or folder", file=path)
    if path.is_dir():
        return Camera(FolderSource(path), clock=clock)
    if path.is_char_device() and path.name.startswith("video") and path.name[5:].isdecimal():
        return Camera(CaptureSource(int(path.name[5:])), clock=clock)
    return Camera(CaptureSource(str(path)), clock=clock)
