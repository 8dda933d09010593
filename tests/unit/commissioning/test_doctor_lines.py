"""``cell doctor`` on devices that have no registers: they are listened to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cell.commissioning import devices
from cell.drivers.guide import Grade
from cell.drivers.spec import DeviceSpec
from sim import links
from sim.emulators.grbl import GrblController


@pytest.fixture
def belt() -> Iterator[Any]:
    world = SimpleNamespace(belt=SimpleNamespace(speed_mps=0.0, drive=lambda speed_mps: None), advance=lambda now: None)
    hall = links.LinkHall(time.monotonic, threaded=True)
    controller = GrblController(world)  # type: ignore[arg-type]
    hall.attach("belt", controller)
    hall.start()
    yield SimpleNamespace(port=hall.path("belt"), controller=controller)
    hall.close()


def found(model: str, port: str) -> Any:
    spec = DeviceSpec("conveyor.drive", model, port, key="conveyor.drive")
    device = SimpleNamespace(name="conveyor.drive", spec=spec)
    patient: Any = SimpleNamespace(devices=[device], occupant=None, state=None)
    ((_, judgement),) = list(devices.devices(patient))
    return judgement


def test_grbl_is_well_when_it_reports(belt: Any) -> None:
    judgement = found("grbl_conveyor", belt.port)
    assert (judgement.grade, judgement.words) == (Grade.OK, "answers as the model does")
    assert set(belt.controller.lines) == {"$I"}


def test_grbl_is_at_fault_when_it_is_in_alarm(belt: Any) -> None:
    belt.controller.alarm = 1
    judgement = found("grbl_conveyor", belt.port)
    assert judgement.grade is Grade.FAULT
    assert "alarm" in judgement.words


def test_arm_is_left_alone_when_a_library_speaks_to_it() -> None:
    assert found("ur", "tcp://127.0.0.9").grade is Grade.NOTE
