"""A file of faults is read as documented, and what is wrong with it is said with file, line and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cell.cli.main import main
from perception.errors import InputError
from sim.faults.file import parse_faults, plain_faults, read_faults
from sim.faults.kinds import KINDS, EmergencyStop, Phase

DOCS = Path(__file__).resolve().parents[2] / "docs" / "faults.md"


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "faults.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_every_example_of_the_documentation_is_read_when_it_stands_in_a_file(tmp_path: Path) -> None:
    examples = _examples()
    found = {fault.what for text in examples for fault in read_faults(_written(tmp_path, text))}
    assert found == set(KINDS)


def test_values_and_defaults_are_taken_when_a_fault_names_only_some(tmp_path: Path) -> None:
    text = "faults:\n  - what: emergency_stop\n    when: {phase: carry, pick: 3, after_s: 0.25}\n"
    (fault,) = read_faults(_written(tmp_path, text))
    assert isinstance(fault, EmergencyStop)
    assert (fault.when.phase, fault.when.pick, fault.when.after_s, fault.for_s) == (Phase.CARRY, 3, 0.25, 1.0)


def test_faults_are_the_same_when_they_come_from_another_process(tmp_path: Path) -> None:
    for text in _examples():
        faults = read_faults(_written(tmp_path, text))
        assert parse_faults(plain_faults(faults)) == faults


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("faults:\n  - what: jamm\n    when: {at_s: 1}\n", 2, "faults[0].what", "did you mean 'jam'"),
        ("faults:\n  - when: {at_s: 1}\n", 2, "faults[0].what", "is missing"),
        ("faults:\n  - what: jam\n", 2, "faults[0].when", "is missing"),
        ("faults:\n  - what: jam\n    when: {}\n", 3, "faults[0].when", "either at_s or phase"),
        ("faults:\n  - what: jam\n    when: {at_s: 1, phase: grip}\n", 3, "faults[0].when", "either at_s or phase"),
        ("faults:\n  - what: jam\n    when: {at_s: -1}\n", 3, "faults[0].when.at_s", "at least 0"),
        ("faults:\n  - what: jam\n    when: {at_s: 1}\n    for_s: soon\n", 4, "faults[0].for_s", "a number"),
        ("faults:\n  - what: jam\n    when: {at_s: 1}\n    for_s: .inf\n", 4, "faults[0].for_s", ""),
        ("faults:\n  - what: jam\n    when: {at_s: 1}\n    lines: drive\n", 4, "faults[0].lines", "unknown key"),
        (
            "faults:\n  - what: serial_unplug\n    when: {at_s: 1}\n    line: arm\n",
            4, "faults[0].line", "'gripper', 'drive' or 'cabinet'",
        ),
        ("faults:\n  - what: jam\n    when: {phase: lunch}\n", 3, "faults[0].when.phase", "'idle'"),
        ("faults: []\n", 1, "faults", "at least one"),
        ("faults: 3\n", 1, "faults", "a list"),
        ("fault: []\n", 1, "fault", "did you mean 'faults'"),
        ("faults:\n  - jam\n", 2, "faults[0]", "a group of keys"),
        ("faults:\n  - what: [jam]\n    when: {at_s: 1}\n", 2, "faults[0].what", "unknown fault"),
    ],
)  # fmt: skip
def test_error_names_file_line_and_key_when_a_file_is_wrong(
    tmp_path: Path, text: str, line: int, key: str, words: str
) -> None:
    path = _written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_faults(path)
    assert (caught.value.file, caught.value.line, caught.value.key) == (str(path), line, key)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("faults:\n  - what: vacuum_leak\n    when: {at_s: 1}\n", "needs the vacuum cell"),
        ("faults:\n  - what: encoder_rollover\n    when: {phase: grip}\n", "needs at_s"),
        ("faults:\n  - what: jam\n    when: {at_s: x}\n", "must be a number"),
    ],
)
def test_run_exits_2_with_one_line_when_its_faults_cannot_be(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    path = _written(tmp_path, text)
    state = tmp_path / "state"
    words_of_run = ["--speed", "0", "--headless", "--parts", "1", "--model", str(model), "--state", str(state)]
    assert main(["run", *words_of_run, "--faults", str(path)]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cell: ")]
    assert len(errors) == 1
    assert str(path) in errors[0]
    assert words in errors[0]
