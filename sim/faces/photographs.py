"""Photographs, or the frames of a video, that ride the belt as parts; the truth comes from YOLO labels beside them.

Only the referee sees that truth. Nothing here hands a file's name to anybody who judges.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import yaml

from perception.errors import InputError
from perception.images import SUFFIXES, image_files, read_image
from sim.faces.types import Defect, Face, Pixels

#: Smaller pictures are no parts, and too small to be found on the belt.
_MIN_SIDE_PX = 24
_STREAM = 0x9407

Truth = tuple[bool | None, tuple[tuple[str, float, float, float, float], ...]]


def _warn(message: str) -> None:
    logging.getLogger("sim.faces").warning(message)


class PhotoFaces:
    """Every readable image of a folder once, in an order shuffled by the seed; or every frame of a video in its order.

    Truth: of ``.../images/val/x.jpg`` it stands in ``.../labels/val/x.txt``; a file without rows is a good part, no
    file or no ``labels`` folder means that nobody knows.

    Args:
        source: a folder of images, one image, or a video.
        px_per_m: scale at which they lie on the belt.
        max_px: (width, height) that a face may have; larger ones are scaled down.
        warn: told about every file that is skipped, one line each.

    Attributes:
        images: handed out by the newest stream so far.
        skipped: files that could not be read, by the newest stream so far.

    Raises:
        InputError: no such file or folder, no image in it, or none that can be read.
    """

    def __init__(
        self,
        source: Path,
        *,
        px_per_m: float = 5000.0,
        max_px: tuple[int, int] = (632, 400),
        warn: Callable[[str], None] = _warn,
    ) -> None:
        self._source = source
        self._px_per_m = px_per_m
        self._max_px = max_px
        self._warn = warn
        self.images = 0
        self.skipped = 0
        self._files: tuple[Path, ...] = ()
        self._labels: Path | None = None
        self._names: dict[int, str] = {}
        if not source.exists():
            raise InputError("no such file or folder", file=source, key="--source")
        if source.is_dir() or source.suffix.lower() in SUFFIXES:
            self._open_images()
        elif next(self._frames(), None) is None:
            raise InputError("is neither a folder of images nor a video that can be read", file=source, key="--source")

    def stream(self, seed: int) -> Iterator[Face]:
        """Decodes one image at a time, only when it is asked for."""
        self.images = self.skipped = 0
        if not self._files:
            for frame in self._frames():
                self.images += 1
                yield self._face(frame, (None, ()), self._source.name)
            return
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAM, seed])))
        for index in rng.permutation(len(self._files)):
            path = self._files[int(index)]
            image = _readable(path)
            if image is None:
                self.skipped += 1
                self._warn(f"{path}: skipped, it cannot be read as a picture")
                continue
            self.images += 1
            yield self._face(image, self._truth(path), path.name)

    def _open_images(self) -> None:
        try:
            self._files = image_files(self._source) if self._source.is_dir() else (self._source,)
        except OSError as error:
            raise InputError(error.strerror or str(error), file=self._source, key="--source") from None
        if not self._files:
            raise InputError("holds no images", file=self._source, key="--source")
        if all(_readable(path) is None for path in self._files):  # stops at the first one that can be read
            raise InputError("holds no image that can be read", file=self._source, key="--source")
        folder = self._source if self._source.is_dir() else self._source.parent
        parts = folder.absolute().parts
        if "images" in parts:
            at = len(parts) - 1 - parts[::-1].index("images")
            labels = Path(*parts[:at], "labels", *parts[at + 1 :])
            self._labels = labels if labels.is_dir() else None
            self._names = _class_names(Path(*parts[:at], "dataset.yaml"))

    def _frames(self) -> Iterator[Pixels]:
        capture = cv2.VideoCapture(str(self._source))
        try:
            while True:
                read, frame = capture.read()
                if not read:
                    return
                yield np.asarray(frame, np.uint8)
        finally:
            capture.release()

    def _truth(self, image: Path) -> Truth:
        if self._labels is None:
            return None, ()
        path = self._labels / f"{image.stem}.txt"
        try:
            rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            boxes = tuple(
                (self._names.get(int(row[0]), row[0]), float(row[1]), float(row[2]), float(row[3]), float(row[4]))
                for row in rows
            )
        except FileNotFoundError:
            return None, ()
        except (OSError, ValueError, IndexError) as error:
            self._warn(f"{path}: label cannot be read, its truth counts as unknown ({error})")
            return None, ()
        return bool(boxes), boxes

    def _face(self, image: Pixels, truth: Truth, name: str) -> Face:
        share = min(1.0, self._max_px[0] / image.shape[1], self._max_px[1] / image.shape[0])
        if share < 1.0:
            size = (max(1, int(image.shape[1] * share)), max(1, int(image.shape[0] * share)))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = image.shape[:2]
        defective, boxes = truth
        defects = []
        for class_name, x, y, w, h in boxes:
            corners = [(x + sx * w / 2, y + sy * h / 2) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            outline = np.array(corners, np.float32) * np.array([width, height], np.float32)
            defects.append(Defect(class_name, outline))
        alpha = np.full((height, width), 255, np.uint8)
        return Face(
            image,
            alpha,
            self._px_per_m,
            "photograph",
            width / self._px_per_m,
            height / self._px_per_m,
            False,
            True,
            defective,
            tuple(defects),
            name,
        )


def _readable(path: Path) -> Pixels | None:
    try:
        image = read_image(path)
    except InputError:
        return None
    return None if image is None or min(image.shape[:2]) < _MIN_SIDE_PX else image


def _class_names(path: Path) -> dict[int, str]:
    """Names of the classes from a dataset's description; without one, classes go by their numbers."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        return {index: str(name) for index, name in enumerate(names)}
    if isinstance(names, dict):
        return {int(index): str(name) for index, name in names.items() if str(index).isdigit()}
    return {}
