"""A model's card: what a detector is, how it was made and checked, and the score at which a part is rejected.

The card lies beside the model as ``card.json``. Everything that runs a model reads it from there; nothing is guessed
from the weights.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from perception.errors import InputError

# The overkills of which a card knows the threshold: 1 % to 20 % in steps of 1 %.
OVERKILLS = tuple(f"{percent / 100:.2f}" for percent in range(1, 21))

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class InputShape(_Part):
    """What the network is fed: NCHW float32, RGB, each byte times ``scale``."""

    width: Annotated[int, Field(ge=32, le=4096)]
    height: Annotated[int, Field(ge=32, le=4096)]
    channels: Literal[3]
    colour: Literal["rgb"]
    scale: Positive


class Calibration(_Part):
    """On what the thresholds were found; never the data that is measured with them."""

    images: Count
    good: Count
    defective: Count
    auroc: Share
    method: Name


class Latency(_Part):
    """Milliseconds a part: measured with two threads, and the figure the simulator counts with."""

    cpu_2_threads: Positive
    modelled: Positive


class Training(_Part):
    """Where the weights come from; ``command`` makes them again."""

    dataset: Name
    dataset_sha256: Sha256
    images: Count
    command: Name
    seed: int
    minutes: Annotated[float, Field(ge=0.0)]
    epochs: Count
    ultralytics: Name
    torch: Name


class Card(_Part):
    """The card. A part is rejected when its score is at or above ``threshold(overkill)``."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    version: Literal[1]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    sha256: Sha256
    architecture: Name
    classes: Annotated[tuple[Name, ...], Field(min_length=1)]
    input: InputShape
    head: Literal["dense"]
    conf_floor: Share
    iou: Share
    thresholds: dict[str, Annotated[float, Field(ge=0.0)]]
    calibration: Calibration
    latency_ms: Latency
    training: Training
    licence: Name
    crop_margin: Annotated[float, Field(ge=0.0, le=0.5)] | None = None

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("a class is named twice")
        return classes

    @model_validator(mode="after")
    def _thresholds_complete(self) -> Card:
        if tuple(sorted(self.thresholds)) != OVERKILLS:
            raise ValueError(f"thresholds must name each overkill from {OVERKILLS[0]} to {OVERKILLS[-1]}")
        values = [self.thresholds[overkill] for overkill in OVERKILLS]
        if any(later > earlier for earlier, later in itertools.pairwise(values)):
            raise ValueError("thresholds must not rise with the overkill")
        return self

    def threshold(self, overkill: float) -> float:
        """The score from which a part is rejected, so that about this share of good parts is; between entries linear.

        Raises:
            InputError: ``overkill`` outside 0.01..0.20.
        """
        first, last = float(OVERKILLS[0]), float(OVERKILLS[-1])
        if not math.isfinite(overkill) or not first - 1e-9 <= overkill <= last + 1e-9:
            raise InputError(f"must lie between {first:.2f} and {last:.2f}, not {overkill:g}", key="overkill")
        position = min(max(overkill * 100.0 - 1.0, 0.0), float(len(OVERKILLS) - 1))
        below = min(int(position + 1e-9), len(OVERKILLS) - 1)
        above = min(below + 1, len(OVERKILLS) - 1)
        share = max(position - below, 0.0)
        low, high = self.thresholds[OVERKILLS[below]], self.thresholds[OVERKILLS[above]]
        return low if share < 1e-9 else low + (high - low) * share


def load_card(path: Path) -> Card:
    """The card in a JSON file.

    Raises:
        InputError: no such file, no JSON, or an entry that is missing, unknown or out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(getattr(error, "strerror", None) or "is not text", file=path) from None
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg}", file=path, line=error.lineno) from None
    try:
        return Card.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(part) for part in first["loc"]]
        message = str(first["msg"]).removeprefix("Value error, ")
        raise InputError(message, file=path, line=_line_of(text, keys), key=".".join(keys) or None) from None


def _line_of(text: str, keys: list[str]) -> int | None:
    """The line on which the last of nested keys stands; None when the text does not hold it."""
    place = 0
    for key in keys:
        if key.isdigit() and f'"{key}"' not in text[place:]:
            continue
        found = text.find(f'"{key}"', place)
        if found < 0:
            return None
        place = found
    return text.count("\n", 0, place) + 1 if keys else None
