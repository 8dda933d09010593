"""Scenarios from YAML."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from perception.errors import InputError
from sim.scenario import Bin, Scenario, load_scenario


def _load(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "cell.yaml"
    path.write_text(text)
    return load_scenario(path)


def test_defaults_stand_when_the_file_is_empty(tmp_path: Path) -> None:
    assert _load(tmp_path, "# nothing\n") == Scenario()
    assert Scenario().camera.rate_hz == 10.0 and Scenario().feed.rate_per_min == 36.0


def test_values_are_taken_when_the_file_names_them(tmp_path: Path) -> None:
    scenario = _load(
        tmp_path,
        "feed:\n  arrivals: bursty\n  parts: 12\n  mix: {cap: 2}\nbins:\n  unsure: {x_m: 0.5, y_m: -0.3}\n",
    )
    assert scenario.feed.arrivals == "bursty" and scenario.feed.parts == 12 and scenario.feed.mix == {"cap": 2.0}
    assert scenario.bins == {"unsure": Bin(0.5, -0.3)}
    assert scenario.arm == Scenario().arm
    with pytest.raises(dataclasses.FrozenInstanceError):
        scenario.feed.parts = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("feed:\n  speed: 3\n", 2, "feed.speed"),
        ("cameras: {}\n", 1, "cameras"),
        ("camera:\n  width_px: 640\n  px_per_m: -1\n", 3, "camera.px_per_m"),
        ("feed:\n  arrivals: often\n", 2, "feed.arrivals"),
        ("feed: {parts: 0}\n", 1, "feed.parts"),
        ("feed:\n  parts: many\n", 2, "feed.parts"),
        ("bins:\n  defect:\n    x_m: 0.5\n", 2, "bins.defect"),
        ("feed:\n  mix:\n    bolt: 1\n", 3, "feed.mix.bolt"),
        ("feed:\n  mix: {}\n", 2, "feed.mix"),
        ("belt:\n  end_x_m: 1\n  end_x_m: 2\n", 3, "belt.end_x_m"),
        ("belt:\n  end_x_m: -1\n", 2, "belt.end_x_m"),
        ("arm:\n  wrist_rad: [1, 0]\n", 2, "arm.wrist_rad"),
        ("camera:\n  px_per_m: .nan\n", 2, "camera.px_per_m"),
    ],
)
def test_error_names_file_line_and_key_when_a_value_is_wrong(tmp_path: Path, text: str, line: int, key: str) -> None:
    with pytest.raises(InputError) as refused:
        _load(tmp_path, text)
    assert (refused.value.file, refused.value.line, refused.value.key) == (str(tmp_path / "cell.yaml"), line, key)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["feed: [\n", "- 1\n- 2\n", "feed: 3\n", "a: b: c\n"])
def test_error_names_the_file_when_it_is_no_scenario(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as refused:
        _load(tmp_path, text)
    assert refused.value.file == str(tmp_path / "cell.yaml") and refused.value.line is not None


def test_error_names_the_file_when_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        load_scenario(tmp_path / "nowhere.yaml")


def test_camera_takes_the_photographs_scale_when_they_ride() -> None:
    assert Scenario().with_photographs().camera.px_per_m == 5000.0
    assert Scenario().with_parts(5).feed.parts == 5
