"""Params of the hand and of part types: what is refused, and where it is said to be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from cell.cli.main import main
from cell.launching import default_launch

LAUNCH = default_launch().parent
LARGE = "      large:\n"


def _vacuum(tmp_path: Path, before: str, after: str) -> Path:
    text = (LAUNCH / "vacuum.params.yaml").read_text()
    assert text.count(before) == 1
    path = tmp_path / "vacuum.params.yaml"
    path.write_text(text.replace(before, after))
    return path


@pytest.mark.parametrize("name", ["vacuum.launch.yaml", "vacuum.params.yaml", "vacuum_hardware.params.yaml"])
def test_shipped_vacuum_cell_is_in_order(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(LAUNCH / name)]) == 0
    assert "in order" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        (("hand: cup ", "hand: fingers "), "picker.hand", "needs the picker's hand set to cup"),
        (("hand: cup ", "hand: claw "), "picker.hand", "cup"),
        (("model: robotiq_epick", "model: robotiq_2f85"), "picker.hand", "needs the picker's hand set to fingers"),
        (("keep_pressure_pa: 80000.0", "keep_pressure_pa: 50000.0"), "picker.cup", "less vacuum"),
        (("slow_share: 0.4 ", "slow_share: 0.0 "), "picker.cup.slow_share", "0.1"),
        (("regrips: 1 ", "regrips: 9 "), "picker.regrips", "3"),
        (("hold_pressure_pa: 55000.0", "hold_pressure_pa: 200.0"), "picker.part_types.large.hold_pressure_pa", "1000"),
        (("hold_pressure_pa: 55000.0", "hold_pressur_pa: 5.0"), "large.hold_pressur_pa", "unknown key"),
        (("length_m: [0.070, 0.090]", "length_m: [0.090, 0.070]"), "picker.part_types.large.length_m", "least"),
        ((LARGE, "      huge: {length_m: [0.08, 0.2]}\n" + LARGE), "picker.part_types", "'huge'"),
        (("timeout_s: 0.6 ", "timeout_s: 99.0 "), "gripper.suction.timeout_s", "25.5"),
    ],
)  # fmt: skip
def test_wrong_value_is_refused_with_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], key: str, words: str
) -> None:
    path = _vacuum(tmp_path, *change)
    assert main(["config", "check", str(path)]) == 2
    line = capsys.readouterr().err.strip()
    assert f"{path}:" in line
    assert key in line
    assert words in line


def test_force_of_a_type_is_held_against_the_gripper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (LAUNCH / "cell.params.yaml").read_text()
    types = "    part_types:\n      disc: {length_m: [0.02, 0.03], width_m: [0.02, 0.03], force_n: 300.0}\n"
    path = tmp_path / "cell.params.yaml"
    path.write_text(text.replace("    force_n: 60.0\n", f"    force_n: 60.0\n{types}"))
    assert main(["config", "check", str(path)]) == 2
    line = capsys.readouterr().err
    assert "picker.part_types.disc.force_n: 300 is beyond what robotiq_2f85 does" in line


def test_new_cell_has_a_cup_when_its_gripper_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my-cell"
    assert main(["init", str(folder), "--gripper", "robotiq_epick", "--defaults"]) == 0
    text = (folder / "cell.params.yaml").read_text()
    assert "    hand: cup " in text
    assert "    grip_z_m: 0.0115 " in text
    assert "model: robotiq_epick " in text
    capsys.readouterr()
    assert main(["config", "check", str(folder / "cell.launch.yaml")]) == 0
