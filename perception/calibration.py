"""Where the camera looks: picture pixels to cell metres on the belt's plane, as one homography.

The standard mounting looks straight down with the picture's x across the belt (image +x = cell -y) and its y along the
travel (image +y = cell +x), the cell frame's origin under the middle of the picture. A calibrated camera has any
homography. Pixels are continuous: the picture spans 0..width and 0..height.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from perception.errors import InputError
from perception.images import Matrix

Row = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class CameraModel:
    """A camera over the belt.

    Attributes:
        width_px, height_px: of its picture.
        cell_from_image: 3x3 homography, rows; takes (x_px, y_px, 1) to (x_m, y_m, 1) on the belt's plane, cell frame.
    """

    width_px: int
    height_px: int
    cell_from_image: tuple[Row, Row, Row]

    @classmethod
    def straight(
        cls,
        px_per_m: float = 2000.0,
        *,
        width_px: int = 640,
        height_px: int = 480,
        origin_m: tuple[float, float] = (0.0, 0.0),
    ) -> CameraModel:
        """The standard mounting; ``origin_m`` is the belt's point under the middle of the picture, cell frame."""
        m_per_px = 1.0 / px_per_m
        x_m, y_m = origin_m
        return cls(
            width_px,
            height_px,
            (
                (0.0, m_per_px, x_m - height_px / 2 * m_per_px),
                (-m_per_px, 0.0, y_m + width_px / 2 * m_per_px),
                (0.0, 0.0, 1.0),
            ),
        )

    @property
    def calibration_id(self) -> str:
        """Twelve hexadecimal digits that change with anything in the model."""
        text = json.dumps([self.width_px, self.height_px, self.cell_from_image])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_cell(self, x_px: float, y_px: float) -> tuple[float, float]:
        """A pixel's point on the belt, cell frame, metres."""
        return _apply(self.cell_from_image, x_px, y_px)

    def to_image(self, x_m: float, y_m: float) -> tuple[float, float]:
        """A point of the belt's pixel; outside 0..width, 0..height when the camera does not see it."""
        inverse = np.linalg.inv(np.array(self.cell_from_image))
        return _apply(_rows(inverse), x_m, y_m)

    def direction_to_cell(self, x_px: float, y_px: float, yaw_rad: float) -> float:
        """The cell-frame angle (radians, from x towards y) of a picture direction at a pixel."""
        ax, ay = self.to_cell(x_px, y_px)
        bx, by = self.to_cell(x_px + math.cos(yaw_rad), y_px + math.sin(yaw_rad))
        return math.atan2(by - ay, bx - ax)


class _File(BaseModel):
    """The file of a camera model: the standard mounting by its scale, or any homography."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    version: Literal[1]
    width_px: Annotated[int, Field(ge=16, le=16384)]
    height_px: Annotated[int, Field(ge=16, le=16384)]
    px_per_m: Annotated[float, Field(gt=0.0)] | None = None
    origin_m: tuple[float, float] = (0.0, 0.0)
    cell_from_image: tuple[Row, Row, Row] | None = None


def load_camera(path: Path) -> CameraModel:
    """A camera model from YAML or JSON.

    Raises:
        InputError: no such file, no YAML, a wrong entry, both or neither of ``px_per_m`` and ``cell_from_image``, or a
            homography that cannot be inverted.
    """
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(getattr(error, "strerror", None) or "is not text", file=path) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise InputError(f"is not YAML: {problem}", file=path, line=mark.line + 1 if mark else None) from None
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(first["msg"], file=path, key=".".join(str(part) for part in first["loc"]) or None) from None
    if (file.px_per_m is None) == (file.cell_from_image is None):
        raise InputError("needs either px_per_m or cell_from_image", file=path, key="px_per_m")
    if file.px_per_m is not None:
        return CameraModel.straight(
            file.px_per_m, width_px=file.width_px, height_px=file.height_px, origin_m=file.origin_m
        )
    matrix = np.array(file.cell_from_image)
    if abs(float(np.linalg.det(matrix))) < 1e-15 or matrix[2, 2] == 0.0:
        raise InputError("cannot be inverted", file=path, key="cell_from_image")
    return CameraModel(file.width_px, file.height_px, _rows(matrix / matrix[2, 2]))


def _apply(rows: tuple[Row, Row, Row], x: float, y: float) -> tuple[float, float]:
    u, v, w = (row[0] * x + row[1] * y + row[2] for row in rows)
    return u / w, v / w


def _rows(matrix: Matrix) -> tuple[Row, Row, Row]:
    a, b, c = ((float(row[0]), float(row[1]), float(row[2])) for row in matrix)
    return a, b, c
