"""``mbpoll``, a Modbus master that shares no line with us nor with Python, reads and writes the emulators over ptys."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

MBPOLL = shutil.which("mbpoll")
pytestmark = pytest.mark.skipif(
    MBPOLL is None, reason="mbpoll is not installed (Debian and Ubuntu: apt install mbpoll)"
)

INPUTS, HOLDING = "3", "4"
Ask = Callable[..., "tuple[int, dict[int, int], str]"]


@pytest.fixture
def ask(live_bench) -> Ask:
    """Runs mbpoll once on a line: exit status, registers by address, and all that it said."""

    def run(
        line: str, unit: int, table: str, first: int, *, count: int = 1, write: tuple[int, ...] = ()
    ) -> tuple[int, dict[int, int], str]:
        words = [str(MBPOLL), "-m", "rtu", "-a", str(unit), "-b", "115200", "-P", "none", "-t", table, "-0"]
        words += ["-r", str(first), "-1", "-o", "2", *([] if write else ["-c", str(count)])]
        done = subprocess.run(
            [*words, live_bench.hall.path(line), *map(str, write)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = done.stdout + done.stderr
        found = re.findall(r"^\[(\d+)\]:\s+(\d+)", said, re.MULTILINE)
        return done.returncode, {int(address): int(value) for address, value in found}, said

    return run


def test_mbpoll_reads_inputs_and_encoder_when_it_asks_the_io_block(live_bench, ask: Ask) -> None:
    with live_bench.lock:
        live_bench.world.cabinet.encoder_m, live_bench.world.cabinet.curtain_ok = 7.0, False
    for table in (INPUTS, HOLDING):
        status, values, said = ask("io", 2, table, 0, count=8)
        assert status == 0, said
        assert values == {0: 1, 1: 1, 2: 70_000 - 65_536, 3: 0, 4: 0, 5: 0, 6: 0xCE11, 7: 2}


def test_mbpoll_starts_and_stops_the_belt_when_it_writes_to_the_drive(live_bench, ask: Ask) -> None:
    status, _, said = ask("drive", 1, HOLDING, 4, write=(1500, 2))
    assert status == 0 and "Written 2 references" in said
    live_bench.wait(lambda: live_bench.world.belt.speed_mps == pytest.approx(0.15))
    status, values, said = ask("drive", 1, HOLDING, 8, count=6)
    assert status == 0, said
    assert values[9] == 1500 and values[13] & 0b11 == 0b10
    status, _, said = ask("drive", 1, HOLDING, 5, write=(1,))
    assert status == 0, said
    live_bench.wait(lambda: live_bench.world.belt.speed_mps == 0.0)


def test_mbpoll_activates_and_closes_the_gripper_when_it_writes_its_registers(live_bench, ask: Ask) -> None:
    status, _, said = ask("gripper", 9, HOLDING, 0x03E8, write=(0x0100, 0, 0))
    assert status == 0, said
    live_bench.wait(lambda: ask("gripper", 9, HOLDING, 0x07D0)[1].get(0x07D0, 0) >> 12 & 3 == 3, within_s=60.0)
    with live_bench.lock:
        live_bench.world.gripper.part_m = 0.04
    status, _, said = ask("gripper", 9, HOLDING, 0x03E8, write=(0x0900, 255, 0xFF40))
    assert status == 0, said
    # gOBJ 2: the fingers have stopped on something while closing.
    live_bench.wait(lambda: ask("gripper", 9, INPUTS, 0x07D0)[1].get(0x07D0, 0) >> 14 == 2, within_s=60.0)
    assert live_bench.world.gripper.width_m == pytest.approx(0.04)


def test_mbpoll_is_told_why_when_a_register_is_not_there(ask: Ask) -> None:
    status, values, said = ask("drive", 1, HOLDING, 0x100)
    assert values == {}
    assert "Illegal data address" in said
    assert status != 0 or "failed" in said
