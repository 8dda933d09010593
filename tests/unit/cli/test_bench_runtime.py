"""`cell bench runtime`: what its figures say, and that a pair of processes measures what it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cell.cli.bench import runtime
from cell.cli.bench.crossing import Crossing, cross
from cell.cli.bench.figures import Sample, figure, percentile
from cell.cli.main import main

KEYS = {"name", "ours", "peer", "ours_value", "peer_value", "unit", "ratio", "n", "spread"}


def test_ratio_is_above_one_when_ours_is_better() -> None:
    ours, peer = ("us", Sample((2.0, 1.0, 3.0), 30)), ("them", Sample((4.0,), 10))
    less = figure("latency", "us", ours, peer, more_is_better=False)
    assert (less.ours_value, less.peer_value, less.ratio, less.n) == (2.0, 4.0, 2.0, 30)
    assert less.spread == {"ours": [1.0, 3.0], "peer": [4.0, 4.0]}
    assert figure("rate", "1/s", ours, peer, more_is_better=True).ratio == 0.5


def test_percentile_is_a_value_that_was_seen_when_asked() -> None:
    assert percentile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert percentile([5.0, 1.0, 3.0], 0.99) == 5.0


@pytest.mark.parametrize("peer", ["cellwright", "multiprocessing", "pyzmq"])
def test_both_payloads_cross_when_a_pair_of_processes_runs(peer: str) -> None:
    found = cross(peer, n_small=20, n_images=3)
    assert 0.0 < found.rtt_us[0] <= found.rtt_us[1]
    assert 0.0 < found.image_ms[0] <= found.image_ms[1]
    assert found.fps > 0.0


def test_figures_are_written_when_the_command_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(name: str, *, n_small: int, n_images: int) -> Crossing:
        if name == "dora-rs":
            raise ImportError("No module named 'dora'")
        return Crossing((10.0, 20.0), (1.0, 2.0), 500.0, n_small, n_images)

    monkeypatch.setattr(runtime, "cross", measured)
    out = tmp_path / "figures.json"
    only = "xproc_rtt_64,xproc_image_fps"
    assert main(["bench", "runtime", "--only", only, "--rounds", "2", "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert {entry["name"] for entry in figures} == set(only.split(","))
    assert {entry["peer"] for entry in figures} == {"pyzmq", "zenoh", "cyclonedds", "multiprocessing"}
    assert all(set(entry) == KEYS for entry in figures)
    captured = capsys.readouterr()
    assert "dora-rs is left out: No module named 'dora'" in captured.err
    assert "xproc_rtt_64" in captured.out


def test_the_figures_are_named_when_another_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "runtime", "--only", "latency"]) == 2
    assert "inproc_latency" in capsys.readouterr().err
