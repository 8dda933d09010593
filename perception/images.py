"""Pictures as arrays: one shape and one type inside (BGR, uint8), whatever came in, and one way to read a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from perception.errors import InputError

Image: TypeAlias = npt.NDArray[np.uint8]
Matrix: TypeAlias = npt.NDArray[np.float64]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


def as_bgr(image: npt.NDArray[Any]) -> Image:
    """The picture as (height, width, 3) uint8 in BGR order; the same object when it is that already.

    Grey becomes three equal channels, a fourth channel (alpha) is dropped, 16-bit is divided by 257, float is taken
    as 0..1.

    Raises:
        InputError: no pixels, another number of channels, another type, or values that are not finite.
    """
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
        return image
    if image.ndim not in (2, 3) or image.size == 0:
        raise InputError(f"a picture of shape {image.shape} has no pixels to look at")
    if image.dtype == np.uint8:
        bytes_ = image
    elif image.dtype == np.uint16:
        bytes_ = (image // 257).astype(np.uint8)
    elif image.dtype == np.bool_:
        bytes_ = image.astype(np.uint8) * np.uint8(255)
    elif np.issubdtype(image.dtype, np.floating):
        if not np.isfinite(image).all():
            raise InputError("a picture of floats holds values that are not finite")
        bytes_ = (np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    else:
        raise InputError(f"a picture of type {image.dtype} is not supported, only uint8, uint16 and float")
    if bytes_.ndim == 2:
        bytes_ = bytes_[:, :, None]
    channels = bytes_.shape[2]
    if channels == 1:
        return np.ascontiguousarray(np.repeat(bytes_, 3, axis=2))
    if channels in (3, 4):
        return np.ascontiguousarray(bytes_[:, :, :3])
    raise InputError(f"a picture with {channels} channels is not supported, only 1, 3 and 4")


def read_image(path: Path) -> Image | None:
    """The picture in a file as BGR, or None when it cannot be decoded (truncated, empty, not a picture).

    Raises:
        InputError: the file cannot be opened at all.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(error.strerror or str(error), file=path) from None
    if data.size == 0 or is_truncated_jpeg(data):
        return None
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return None if decoded is None else as_bgr(np.asarray(decoded))


def is_truncated_jpeg(data: npt.NDArray[np.uint8]) -> bool:
    """Whether a JPEG lacks its end marker; the decoder would fill the missing part with grey and say nothing.

    Markers: start FF D8, end FF D9 (ITU-T T.81, table B.1). Padding after the end is allowed, so the last 64 bytes and
    trailing zeros are searched.
    """
    if data.size < 4 or data[0] != 0xFF or data[1] != 0xD8:
        return False
    tail = data.tobytes().rstrip(b"\x00")[-64:]
    return b"\xff\xd9" not in tail


def image_files(folder: Path) -> tuple[Path, ...]:
    """The picture files of a folder, sorted by name."""
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()))
