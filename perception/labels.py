"""Datasets in YOLO's format: ``dataset.yaml`` with splits and class names, and a label file for each picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from perception.errors import InputError
from perception.images import image_files

# Labels are written with few digits: a box may reach this share of the picture beyond its border, and is clipped.
ROUNDING = 0.01


@dataclass(frozen=True, slots=True)
class Split:
    """One split: its class names in the order of their numbers, and its pictures sorted by name."""

    file: Path
    name: str
    classes: tuple[str, ...]
    images: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """A picture's true boxes: ``classes`` (N,) and ``shares`` (N, 4) as x0, y0, x1, y1 in shares of its sides."""

    classes: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]

    def corners(self, width_px: int, height_px: int) -> npt.NDArray[np.float64]:
        """The boxes (N, 4) in pixels."""
        scaled: npt.NDArray[np.float64] = self.shares * np.array([width_px, height_px, width_px, height_px], np.float64)
        return scaled


def load_split(file: Path, split: str) -> Split:
    """A split of the dataset that a YAML file describes; paths in it are relative to ``path``, or to the file.

    Raises:
        InputError: no such file, no YAML, no such split, a folder that is missing or empty, or names in disorder.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(getattr(error, "strerror", None) or "is not text", file=file) from None
    try:
        data: Any = yaml.safe_load(text)
        lines = _lines(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise InputError(f"is not YAML: {problem}", file=file, line=mark.line + 1 if mark else None) from None
    if not isinstance(data, dict):
        raise InputError("holds no dataset: expected the keys names and a split", file=file)
    classes = _classes(data.get("names"), file, lines.get("names"))
    root = file.parent / str(data.get("path") or ".")
    if split not in data or data[split] is None:
        raise InputError(f"the dataset has no split {split!r}", file=file, key=split)
    given = data[split]
    images: list[Path] = []
    for entry in given if isinstance(given, list) else [given]:
        folder = root / str(entry)
        if not folder.is_dir():
            raise InputError(f"no such folder: {folder}", file=file, line=lines.get(split), key=split)
        images.extend(image_files(folder))
    if not images:
        raise InputError("the split holds no pictures", file=file, line=lines.get(split), key=split)
    return Split(file, split, classes, tuple(images))


def label_file(image: Path) -> Path:
    """Where a picture's labels lie: ``labels`` instead of the last ``images`` in its path, or beside it."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def read_truth(image: Path, classes: int) -> Truth:
    """The true boxes of a picture; none when it has no label file or an empty one: a good part.

    Raises:
        InputError: a line that is not ``class x y w h``, an unknown class, or a box outside the picture.
    """
    file = label_file(image)
    if not file.exists():
        return Truth(np.zeros(0, np.int64), np.zeros((0, 4)))
    try:
        rows = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(getattr(error, "strerror", None) or "is not text", file=file) from None
    numbers: list[int] = []
    boxes: list[tuple[float, float, float, float]] = []
    for line, row in enumerate(rows, start=1):
        if row.strip():
            number, box = _row(row.split(), classes, file, line)
            numbers.append(number)
            boxes.append(box)
    return Truth(np.array(numbers, np.int64), np.clip(np.array(boxes, np.float64).reshape(-1, 4), 0.0, 1.0))


def _row(words: list[str], classes: int, file: Path, line: int) -> tuple[int, tuple[float, float, float, float]]:
    if len(words) != 5:
        raise InputError(f"expected 'class x y w h', found {len(words)} words", file=file, line=line)
    try:
        number, values = int(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        raise InputError("expected 'class x y w h' in numbers", file=file, line=line) from None
    if not 0 <= number < classes:
        raise InputError(f"{number} is not one of the {classes} classes", file=file, line=line, key="class")
    x, y, w, h = values
    for key, middle, side in (("x", x, w), ("y", y, h)):
        size = "w" if key == "x" else "h"
        if not (math.isfinite(side) and 0.0 < side <= 1.0 + ROUNDING):
            raise InputError(f"must lie above 0 and be at most 1, not {side:g}", file=file, line=line, key=size)
        inside = middle - side / 2 >= -ROUNDING and middle + side / 2 <= 1.0 + ROUNDING
        if not (math.isfinite(middle) and inside):
            raise InputError("the box leaves the picture", file=file, line=line, key=key)
    return number, (x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def _classes(names: Any, file: Path, line: int | None) -> tuple[str, ...]:
    if isinstance(names, dict) and names and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(
            "must name the classes: a list, or numbers from 0 and their names", file=file, line=line, key="names"
        )
    if len(set(names)) != len(names):
        raise InputError("names a class twice", file=file, line=line, key="names")
    return tuple(names)


def _lines(text: str) -> dict[str, int]:
    """The line of every key at the top of a YAML text."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
