"""``cell bench sim`` runs, and says what the contract of benchmarks asks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cell.cli.main import main
from sim.bench_sim.command import FIGURES


def test_figures_are_written_when_the_environments_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sim.json"
    wanted = ["vector_random", "vector_fifo", "single"]
    assert main(["bench", "sim", "--short", "--rounds", "2", "--only", ",".join(wanted), "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [entry["name"] for entry in found] == wanted
    for entry in found:
        assert set(entry) == {"name", "ours", "peer", "ours_value", "peer_value", "unit", "ratio", "n", "spread"}
        assert entry["ours_value"] > 0.0
        assert entry["peer_value"] > 0.0
        assert entry["n"] > 0
        low, high = entry["spread"]["ours"]
        assert low <= entry["ours_value"] * 1.001
        assert entry["ours_value"] <= high * 1.001
    assert found[0]["ratio"] == pytest.approx(found[0]["ours_value"] / found[0]["peer_value"], rel=0.01)
    assert "vector_fifo" in capsys.readouterr().out


def test_unknown_figure_is_refused_when_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "sim", "--only", "speed"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in FIGURES)
