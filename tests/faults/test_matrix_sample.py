"""A sample of the fault matrix: every fault, in two of its phases; the whole of it is ``make eval-faults``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cell.cli.main import main
from sim.faults.endurance import drawn, endure, read_journal
from sim.faults.evaluation import Entry
from sim.faults.expected import expected
from sim.faults.kinds import KINDS, Phase

Try = Callable[[str, str, int], Entry]
KEYS = [
    *("fault", "phase", "seeds", "injected", "detected", "reaction", "expected_reaction"),
    *("ledger_errors", "forbidden_motions", "unasked_restarts", "recovered_s_p99"),
]
PHASES = tuple(phase.value for phase in Phase)
SAMPLE = [
    (fault, PHASES[(number + step) % len(PHASES)], number) for number, fault in enumerate(KINDS) for step in (0, 3)
]


@pytest.mark.parametrize(("fault", "phase", "seed"), SAMPLE)
def test_cell_does_what_the_matrix_asks_when_a_fault_comes(entry: Try, fault: str, phase: str, seed: int) -> None:
    found = entry(fault, phase, seed)
    assert found.red == [], found.verdicts


def test_same_case_comes_out_alike_when_it_is_tried_twice(entry: Try) -> None:
    assert entry("part_dropped", "carry", 7).verdicts == entry("part_dropped", "carry", 7).verdicts


def test_table_has_the_agreed_keys_and_order_when_one_fault_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert main(["eval", "faults", "--only", "clock_jump", "--seeds", "3:4", "--json", str(out)]) == 0
    table = json.loads(out.read_text())
    assert [list(entry) for entry in table] == [KEYS] * 5
    assert [(entry["fault"], entry["phase"]) for entry in table] == [("clock_jump", phase) for phase in PHASES]
    assert all(entry["seeds"] == entry["injected"] == 1 for entry in table)
    captured = capsys.readouterr()
    assert "times real time" in captured.out
    assert captured.err.startswith("5 runs")


def test_whole_matrix_is_expected_for_every_fault_and_phase() -> None:
    assert len({(fault, phase) for fault in KINDS for phase in Phase if expected(fault, phase)}) == 75


@pytest.mark.parametrize("words", [["--seeds", "5"], ["--seeds", "3:3"], ["--only", "flood"], ["--hours", "1"]])
def test_wrong_flags_are_refused_when_they_make_no_sense(tmp_path: Path, words: list[str]) -> None:
    assert main(["eval", "faults", "--json", str(tmp_path / "out.json"), *words]) == 2
    assert not (tmp_path / "out.json").exists()


def test_endurance_goes_on_when_its_journal_was_cut_off(tmp_path: Path) -> None:
    journal = tmp_path / "day.jsonl"
    first = endure(journal, hours=0.001, faults=("clock_jump",), processes=0)
    done = read_journal(journal)
    assert sum(verdict.sim_s for _, verdict in done) >= 3.6
    assert [verdict.case for _, verdict in done] == [drawn(number, ("clock_jump",)) for number, _ in done]
    journal.write_text(journal.read_text() + '{"number": 99, "case"')
    again = endure(journal, hours=0.001, faults=("clock_jump",), processes=0)
    assert {key: entry.as_dict() for key, entry in again.items()} == {
        key: entry.as_dict() for key, entry in first.items()
    }
    assert read_journal(journal) == done
