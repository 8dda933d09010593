"""What goes over the wire to the devices, as the devices hear it: taps between slave and device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.emulators.slave import RegisterDevice

if TYPE_CHECKING:
    from sim.bench import SimBench

#: LS G100, addresses on the wire (documented ones minus 1): frequency reference and command word.
_FREQUENCY, _COMMAND = 0x0004, 0x0005
_STOPS, _RUNS = 0x01 | 0x10, 0x02 | 0x04


@dataclass(frozen=True, slots=True)
class Told:
    """A command to move. ``what``: ``belt`` (``value`` in hertz), ``gripper`` (opening in m) or ``arm`` (goal)."""

    at_s: float
    what: str
    value: float
    empty_handed: bool


class Tap:
    """A device that passes everything on and says what was written. A ``RegisterDevice``."""

    def __init__(self, device: RegisterDevice, heard: Callable[[int, Sequence[int], float], None]) -> None:
        self._device = device
        self._heard = heard
        self.functions = device.functions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """Passed on."""
        return self._device.read(function, address, count, now)

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        """Passed on, and told where the device took it."""
        self._device.write(function, address, values, now)
        self._heard(address, values, now)

    def tick(self, now: float) -> float | None:
        """Passed on."""
        return self._device.tick(now)


class Wire:
    """Every command to move that reaches a device of a bench, in order.

    Attributes:
        told: so far.
    """

    def __init__(self, bench: SimBench) -> None:
        self.told: list[Told] = []
        self._bench = bench
        self._frequency = 0
        self._target_m = bench.world.told_m
        self._tap("drive", self._drive)
        self._tap("gripper", self._gripper)
        follow = bench.follow

        def followed(*words: Any, **named: Any) -> Any:
            refused = follow(*words, **named)
            if refused is None:
                self._tell("arm", 0.0, bench.clock())
            return refused

        bench.follow = followed  # type: ignore[method-assign]

    def _tap(self, line: str, heard: Callable[[int, Sequence[int], float], None]) -> None:
        slave = self._bench.slaves[line]
        slave.device = Tap(slave.device, heard)

    def _drive(self, address: int, values: Sequence[int], now: float) -> None:
        written = dict(zip(range(address, address + len(values)), values, strict=True))
        self._frequency = written.get(_FREQUENCY, self._frequency)
        command = written.get(_COMMAND)
        if command is not None and command & _RUNS and not command & _STOPS and self._frequency:
            self._tell("belt", self._frequency / 100.0, now)

    def _gripper(self, _address: int, _values: Sequence[int], now: float) -> None:
        # What the fingers are now told to do; a command that repeats the one before changes nothing.
        target_m = self._bench.world.told_m
        if target_m != self._target_m:
            self._target_m = target_m
            self._tell("gripper", target_m, now)

    def _tell(self, what: str, value: float, now: float) -> None:
        self.told.append(Told(now, what, value, self._bench.world.holds is None))
