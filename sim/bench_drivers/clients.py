"""One Modbus client that asks as fast as it can, in a process of its own: ours, or a peer.

``python -m sim.bench_drivers.clients NAME KIND PATH AMOUNT`` prints one JSON object. ``status`` reads a gripper's
status for AMOUNT seconds; ``clock`` asks a ``ClockDevice`` AMOUNT times, each elsewhere, and counts wrong values.
"""

from __future__ import annotations

import gc
import json
import logging
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from cell.drivers.bus import Bus
from cell.drivers.bus_thread import BusThread
from cell.drivers.frames import READ_INPUT, Request
from cell.drivers.modbus import Reply
from cell.drivers.serial_port import SerialPort
from sim.bench_drivers.lines import BAUD, STATUS, UNIT, come_first, is_right

OURS: Final = "cellwright"
PEERS: Final = ("pymodbus", "minimalmodbus", "umodbus")
TIMEOUT_S: Final = 0.02
"""Of every client alike: late replies come after it."""
PATIENT_S: Final = 0.2
LIMIT_S: Final = 120.0

Ask = Callable[[int, int], Sequence[int] | None]
"""Address and count to registers; None or an exception: no answer."""


def measure(name: str, kind: str, path: str, amount: float) -> dict[str, Any]:
    """Run a client.

    Raises:
        RuntimeError: it cannot be used here; the message says why.
    """
    words = [sys.executable, "-m", "sim.bench_drivers.clients", name, kind, path, str(amount)]
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"it took more than {LIMIT_S:g} s") from None
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _status(name: str, path: str, seconds: float) -> dict[str, Any]:
    if name == OURS:
        return _ours(path, seconds)
    ask = _peer(name, path, PATIENT_S)
    for _ in range(5):
        _try(ask, STATUS, 3)
    answered = failed = 0
    gc.collect()
    began_s, cpu_s = time.monotonic(), time.process_time()
    while time.monotonic() - began_s < seconds:
        if _try(ask, STATUS, 3) is None:
            failed += 1
        else:
            answered += 1
    return _result(answered, failed, time.monotonic() - began_s, time.process_time() - cpu_s)


def _ours(path: str, seconds: float) -> dict[str, Any]:
    """As the drivers ask: the next request is handed in where the reply before it is told."""
    bus = Bus(path, lambda: SerialPort(path, BAUD), time.monotonic, BAUD, reply_timeout_s=PATIENT_S)
    request = Request(UNIT, READ_INPUT, STATUS, 3, twin=True)
    over = threading.Event()
    counts = [0, 0]
    until_s = [0.0]

    def done(reply: Reply) -> None:
        counts[0 if reply.ok else 1] += 1
        if time.monotonic() < until_s[0]:
            bus.submit(request, done, retries=0)
        else:
            over.set()

    thread = BusThread(bus)
    thread.start()
    try:
        for warm in (0.1, seconds):
            counts[:] = [0, 0]
            over.clear()
            gc.collect()
            began_s, cpu_s = time.monotonic(), time.process_time()
            until_s[0] = began_s + warm
            bus.submit(request, done, retries=0)
            over.wait()
        return _result(counts[0], counts[1], time.monotonic() - began_s, time.process_time() - cpu_s)
    finally:
        thread.stop()


def _result(answered: int, failed: int, wall_s: float, cpu_s: float) -> dict[str, Any]:
    return {"answered": answered, "failed": failed, "wall_s": wall_s, "cpu_s": cpu_s}


def _clock(name: str, path: str, amount: int) -> dict[str, Any]:
    """A peer on a bad line. (Ours is in ``stale``.)"""
    ask = _peer(name, path, TIMEOUT_S)
    draw = random.Random(1)
    answered = failed = wrong = 0
    for _ in range(amount):
        address, count = 2 * draw.randrange(500), draw.randint(1, 4)
        asked_s = time.monotonic()
        values = _try(ask, address, count)
        if values is None:
            failed += 1
            continue
        answered += 1
        wrong += len(values) != count or not is_right(values, address, asked_s)
    return {"answered": answered, "failed": failed, "wrong": wrong}


def _try(ask: Ask, address: int, count: int) -> Sequence[int] | None:
    try:
        return ask(address, count)
    except Exception:
        # Peers raise what they like when there is no answer, or a damaged one.
        return None


def _peer(name: str, path: str, timeout_s: float) -> Ask:
    # Only the peer that is asked for is imported: they are not needed anywhere else.
    if name == "pymodbus":
        from pymodbus.client import ModbusSerialClient  # noqa: PLC0415

        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        client = ModbusSerialClient(path, baudrate=BAUD, timeout=timeout_s, retries=0)
        client.connect()

        def pymodbus(address: int, count: int) -> Sequence[int] | None:
            reply = client.read_input_registers(address, count=count, device_id=UNIT)
            return None if reply.isError() else reply.registers

        return pymodbus
    if name == "minimalmodbus":
        import minimalmodbus  # noqa: PLC0415

        instrument = minimalmodbus.Instrument(path, UNIT)
        instrument.serial.baudrate, instrument.serial.timeout = BAUD, timeout_s
        return lambda address, count: instrument.read_registers(address, count, functioncode=4)
    import serial  # noqa: PLC0415
    from umodbus.client.serial import rtu  # noqa: PLC0415

    port = serial.Serial(path, BAUD, timeout=timeout_s)

    def umodbus(address: int, count: int) -> Sequence[int]:
        values: Sequence[int] = rtu.send_message(rtu.read_input_registers(UNIT, address, count), port)
        return values

    return umodbus


def main(name: str, kind: str, path: str, amount: str) -> None:
    """Print what was found."""
    come_first()
    found = _status(name, path, float(amount)) if kind == "status" else _clock(name, path, int(float(amount)))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
