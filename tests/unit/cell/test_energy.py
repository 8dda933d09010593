"""What the meter counts, and what each part is charged with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray

from cell.drivers.interfaces import MeterStatus, Reading
from cell.drivers.registry import use_devices
from cell.energy import EnergyShares
from cell.nodes.meter import MeterNode, counter_j
from cell.nodes.node import ERROR, OK


def test_shares_add_up_to_the_counter() -> None:
    rng, shares, counter_j, given_j = random.Random(5), EnergyShares(), 1000.0, 0.0
    shares.measured(counter_j)
    for _ in range(300):
        for _ in range(rng.randrange(3)):
            counter_j += rng.random() * 50.0
            shares.measured(counter_j)
        share_j = shares.take()
        assert share_j is not None and share_j >= 0.0
        given_j += share_j
    assert given_j == pytest.approx(counter_j - 1000.0)


def test_nobody_is_charged_when_there_is_no_meter_or_another_one() -> None:
    shares = EnergyShares()
    assert shares.take() is None
    shares.measured(5e6)
    assert shares.take() == 0.0
    shares.measured(20.0)
    assert shares.take() == 0.0
    shares.measured(60.0)
    assert shares.take() == 40.0


class Meter:
    measured: Reading[MeterStatus] | None = None
    error: str | None = None


class OneDevice:
    def __init__(self, device: Any) -> None:
        self.device = device
        self.now_s = 1.0

    def clock(self) -> float:
        return self.now_s

    def open(self, spec: Any) -> Any:
        assert spec.model == "eastron_sdm120"
        return self.device


@pytest.fixture
def meter() -> Iterator[Meter]:
    made = Meter()
    use_devices(OneDevice(made))  # type: ignore[arg-type]
    yield made
    use_devices(None)


def test_meter_tells_what_it_reads_and_that_it_is_silent(bench: Any, meter: Meter) -> None:
    heard = bench.heard(DiagnosticArray, "/diagnostics")
    node = bench.make(MeterNode, device__model="eastron_sdm120", device__port="sim:meter")
    assert node.health()[0].level == ERROR
    assert counter_j(node.health()[0]) is None
    meter.measured = Reading(MeterStatus(812.34, 1.5e6, 230.1, 3.9), 0.9, True)
    bench.at(2.0)
    line = heard[-1].status[0]
    assert (line.name, line.level, line.message) == ("meter", OK, "812 W")
    assert counter_j(line) == 1.5e6
    meter.measured = Reading(meter.measured.value, 0.9, False)
    meter.error = "does not answer"
    bench.at(3.0)
    line = heard[-1].status[0]
    assert (line.level, line.message) == (ERROR, "does not answer")
    assert counter_j(line) is None
