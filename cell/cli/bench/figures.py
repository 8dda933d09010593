"""What a benchmark found: one figure beside a peer's, as a line for people and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """The same measurement, taken in several rounds; each value is one round's."""

    values: tuple[float, ...]
    n: int

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Figure:
    """Ours beside a peer's. `ratio` above 1 means that ours is better, `spread` is [least, greatest] over the rounds.

    `n` counts the single measurements of ours over all rounds.
    """

    name: str
    ours: str
    peer: str
    ours_value: float
    peer_value: float
    unit: str
    ratio: float
    n: int
    spread: dict[str, list[float]]


def figure(name: str, unit: str, ours: tuple[str, Sample], peer: tuple[str, Sample], *, more_is_better: bool) -> Figure:
    """Compares the medians over the rounds."""
    mine, other = ours[1].median, peer[1].median
    high, low = (mine, other) if more_is_better else (other, mine)
    return Figure(
        name=name,
        ours=ours[0],
        peer=peer[0],
        ours_value=_rounded(mine),
        peer_value=_rounded(other),
        unit=unit,
        ratio=_rounded(high / low) if low else 0.0,
        n=ours[1].n,
        spread={"ours": _range(ours[1]), "peer": _range(peer[1])},
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def line(entry: Figure) -> str:
    """One line for people."""
    low, high = entry.spread["ours"]
    return (
        f"{entry.name:20} {entry.ours_value:>10g} {entry.unit:<8} [{low:g} .. {high:g}]   "
        f"{entry.peer}: {entry.peer_value:g}   ratio {entry.ratio:g}"
    )


def write(file: Path, figures: Sequence[Figure]) -> None:
    """A list of objects, whole or not at all."""
    text = json.dumps([asdict(entry) for entry in figures], indent=2)
    part = file.with_name(f".{file.name}.part")
    part.write_text(f"{text}\n", encoding="utf-8")
    part.replace(file)


def read_result(text: str) -> dict[str, Any]:
    """The last line of a child's output is its result."""
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


def _range(sample: Sample) -> list[float]:
    return [_rounded(min(sample.values)), _rounded(max(sample.values))]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
