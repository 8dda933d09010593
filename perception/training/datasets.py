"""A labelled data set to learn from: checked before anything long begins, and split by what was photographed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from perception.errors import InputError
from perception.images import Image, read_image
from perception.labels import load_split, read_truth


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A picture of one part and its boxes.

    Attributes:
        path: the image file.
        boxes: (N, 4) float32, x0, y0, x1, y1 as shares of the picture's sides; N = 0: a good part.
        classes: (N,) int64.
        group: what was photographed; pictures of one group never stand on two sides of a split.
    """

    path: Path
    boxes: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    group: str

    @property
    def defective(self) -> bool:
        return len(self.boxes) > 0


@dataclass(frozen=True, slots=True)
class DataSet:
    """A split: its file, its class names, its samples sorted by name."""

    file: Path
    names: tuple[str, ...]
    samples: tuple[Sample, ...]


def read_data_set(file: Path, split: str = "train", group_regex: str | None = None) -> DataSet:
    """Read and check one split.

    Args:
        file: the data set's YAML.
        split: its key, ``train`` or ``val``.
        group_regex: searched in a picture's stem; its first group, else the whole match, names what was photographed.
            Without it each picture is a group of its own.

    Raises:
        InputError: anything missing, malformed or out of range, or only good or only defective pictures.
    """
    pattern = _compile(group_regex)
    found = load_split(file, split)
    samples = []
    for image in found.images:
        truth = read_truth(image, len(found.classes))
        samples.append(Sample(image, truth.shares.astype(np.float32), truth.classes, _group(image.stem, pattern)))
    if all(sample.defective for sample in samples):
        raise InputError("no good images: each one has boxes, so no threshold can be found", file=file, key=split)
    if not any(sample.defective for sample in samples):
        raise InputError("no defective images: none has a box", file=file, key=split)
    return DataSet(file, found.classes, tuple(samples))


def hold_out(
    data: DataSet, seed: int, good_share: float = 0.2, defective_share: float = 0.1
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Split samples into what is learned from and what thresholds are found on, by group.

    Thresholds are quantiles of the good pictures' scores, so a larger share of the good groups is kept aside than of
    the defective ones, of which a detector can spare few. Defective groups are taken class by class in turn.

    Returns:
        (learned from, kept aside), both in the given order. Each side has both kinds.

    Raises:
        InputError: fewer than two groups of good, or of defective pictures.
    """
    classes: dict[str, int] = {}
    groups = sorted({sample.group for sample in data.samples})
    for sample in data.samples:
        if sample.defective:
            classes[sample.group] = min(int(sample.classes.min()), classes.get(sample.group, len(data.names)))
    good = [group for group in groups if group not in classes]
    for kind, count in (("good", len(good)), ("defective", len(classes))):
        if count < 2:
            reason = f"only {count} group of {kind} images; two are needed, one to find thresholds on"
            raise InputError(reason, file=data.file, key="train")
    rng = np.random.default_rng([0xF01D, seed])
    aside = {good[i] for i in rng.permutation(len(good))[: _part(len(good), good_share)]}
    members = {number: [group for group in groups if classes.get(group) == number] for number in set(classes.values())}
    turns = [[members[number][i] for i in rng.permutation(len(members[number]))] for number in sorted(members)]
    wanted = _part(len(classes), defective_share)
    while wanted:
        # A class's last group stays with what is learned from, unless no class has two.
        spare = [turn for turn in turns if len(turn) > 1] or [turn for turn in turns if turn]
        for turn in spare[:wanted]:
            aside.add(turn.pop())
        wanted -= len(spare[:wanted])
    kept = tuple(sample for sample in data.samples if sample.group not in aside)
    return kept, tuple(sample for sample in data.samples if sample.group in aside)


def fingerprint(data: DataSet) -> str:
    """SHA-256 over a split's class names, file names, images and boxes."""
    digest = hashlib.sha256("\n".join(data.names).encode())
    for sample in data.samples:
        digest.update(sample.path.name.encode())
        digest.update(hashlib.sha256(sample.path.read_bytes()).digest())
        digest.update(np.ascontiguousarray(sample.classes).tobytes())
        digest.update(np.ascontiguousarray(sample.boxes).tobytes())
    return digest.hexdigest()


def load_picture(path: Path) -> Image:
    """The picture, BGR.

    Raises:
        InputError: it cannot be decoded.
    """
    picture = read_image(path)
    if picture is None:
        raise InputError("cannot be read as a picture", file=path)
    return picture


def _part(count: int, share: float) -> int:
    return min(count - 1, max(1, round(share * count)))


def _compile(regex: str | None) -> re.Pattern[str] | None:
    if regex is None:
        return None
    try:
        return re.compile(regex)
    except re.error as error:
        raise InputError(f"is not a regular expression: {error}", key="--group-regex") from None


def _group(stem: str, pattern: re.Pattern[str] | None) -> str:
    if pattern is None:
        return stem
    match = pattern.search(stem)
    if match is None:
        raise InputError(f"does not match the image {stem!r}", key="--group-regex")
    return str(match.group(1) if pattern.groups else match.group(0))
