"""The simulated cell as the command line uses it: one world behind every line, camera and arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cell.drivers.interfaces import Conveyor, Encoder
from cell.drivers.registry import Devices, DeviceSpec
from perception.errors import InputError
from sim.bench import SimBench, current_bench
from sim.conductor import Conductor, SimTime


@pytest.fixture
def make() -> Iterator[Callable[..., SimBench]]:
    benches: list[SimBench] = []

    def bench(parameters: dict[str, Any] | None = None, **options: Any) -> SimBench:
        values = {"seed": 1, "parts": None, "source": None, "lockstep": True, **options}
        benches.append(SimBench(parameters or {}, **values))
        return benches[-1]

    yield bench
    for one in benches:
        one.close()


def _advance(bench: SimBench, by_s: float) -> None:
    assert isinstance(bench.clock, SimTime)
    bench.clock.seconds += by_s
    bench.world.advance(bench.clock())


def test_bench_is_empty_when_its_parts_have_left_the_belt(make: Callable[..., SimBench]) -> None:
    bench = make(parts=2)
    assert not bench.empty
    bench.world.belt.drive(0.2)
    _advance(bench, 300.0)
    assert bench.empty
    assert bench.world.entered == 2
    quality = bench.quality()
    assert quality is not None
    assert quality["defective_in"] + quality["good_in"] == 2
    assert quality["escaped"] == quality["defective_in"]
    assert quality["false_rejects"] == 0


def test_pictures_are_the_same_when_the_seed_is_the_same(make: Callable[..., SimBench]) -> None:
    def pictures(seed: int) -> list[np.ndarray]:
        bench = make(seed=seed)
        bench.world.belt.drive(0.2)
        shots = []
        for _ in range(3):
            _advance(bench, 1.5)
            shots.append(bench.shoot()[0])
        return shots

    first, second, other = pictures(1), pictures(1), pictures(2)
    assert all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))
    assert first[0].shape == (480, 640, 3)
    assert first[0].dtype == np.uint8


def test_controller_is_told_the_scale_when_photographs_ride(make: Callable[..., SimBench], tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 160, 3), 150, np.uint8))
    assert make().overrides()["/**"]["px_per_m"] == 2000.0
    bench = make(source=tmp_path)
    assert bench.overrides()["/**"]["px_per_m"] == 5000.0
    bench.world.belt.drive(0.2)
    _advance(bench, 60.0)
    assert bench.source() == {"images": 1, "skipped": 0}
    assert bench.empty
    assert bench.quality() is None


def test_scenario_file_is_read_when_the_params_name_one(make: Callable[..., SimBench], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("camera:\n  px_per_m: 1500.0\n")
    assert make({"scenario": str(tmp_path / "s.yaml")}).overrides()["/**"]["px_per_m"] == 1500.0
    with pytest.raises(InputError, match="nothere"):
        make({"scenario": str(tmp_path / "nothere.yaml")})


def test_sim_nodes_find_the_bench_only_while_it_is_started(make: Callable[..., SimBench]) -> None:
    with pytest.raises(InputError, match="simulator"):
        current_bench()
    bench = make()
    bench.start()
    assert current_bench() is bench
    bench.close()
    bench.close()
    with pytest.raises(InputError, match="simulator"):
        current_bench()


def test_lockstep_is_refused_when_the_bench_runs_in_real_time(make: Callable[..., SimBench]) -> None:
    bench = make(lockstep=False)
    with pytest.raises(ValueError, match="real time"):
        bench.run_lockstep(None, None, lambda _ns: None, lambda: True)  # type: ignore[arg-type]


def test_refusal_has_the_code_of_the_action_when_a_trajectory_begins_elsewhere(make: Callable[..., SimBench]) -> None:
    bench = make()
    positions, velocities = bench.arm_state()
    away = [angle + 0.5 for angle in positions]
    refusal = bench.follow([0.0, 1.0], [away, away], [[0.0] * 4] * 2, 0.0)
    assert refusal is not None
    code, words = refusal
    assert code < 0
    assert words
    assert bench.follow([0.0, 1.0], [list(positions)] * 2, [list(velocities)] * 2, 0.0) is None


def test_drive_moves_the_belt_that_the_encoder_counts_when_both_are_on_their_lines(
    make: Callable[..., SimBench],
) -> None:
    bench = make()
    bench.start()
    devices = Devices(bench.clock, threaded=False)
    drive: Any = devices.open(DeviceSpec("drive", "ls_g100", "sim:drive", 1, 9600))
    encoder: Any = devices.open(DeviceSpec("encoder", "modbus_io", "sim:cabinet", 1, 115200))

    class Idle:
        def spin_until_idle(self) -> int:
            return 0

        def next_timer_ns(self) -> int | None:
            return None

        def has_ready(self) -> bool:
            return False

    clock = bench.clock
    assert isinstance(clock, SimTime)
    polled = {"devices": devices, "hall": bench._hall}
    _until(Conductor(Idle(), polled, lambda _ns: None, clock), clock, 1.0)
    conveyor: Conveyor = drive
    counter: Encoder = encoder
    before = counter.encoder
    conveyor.run(0.2)
    _until(Conductor(Idle(), polled, lambda _ns: None, clock), clock, 3.0)
    after = counter.encoder
    assert before is not None
    assert after is not None
    # 3 s at 0.2 m/s less half of a ramp of about a second.
    assert after.value.travel_m - before.value.travel_m == pytest.approx(0.55, abs=0.06)
    assert after.value.travel_m == pytest.approx(bench.world.belt.travel_m, abs=0.01)
    devices.close()


def _until(conductor: Conductor, clock: SimTime, seconds: float) -> None:
    end_s = clock.seconds + seconds
    conductor.run(lambda: clock.seconds >= end_s)
