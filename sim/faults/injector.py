"""Puts faults into a simulated cell at their time: the hardware's here, the controller's by its own hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from perception.errors import InputError
from sim.faults import kinds
from sim.faults.lines import EvenlyDisturbed
from sim.faults.phases import PhaseWatch

if TYPE_CHECKING:
    from sim.bench import SimBench

#: Belt travel from a cell's start until a time, roughly: it starts up for so long, s.
START_UP_S = 1.6


class ControllerSide(Protocol):
    """Does to the controller what a fault asks for; ``begin`` and ``end`` get it as plain values."""

    def begin(self, fault: dict[str, Any]) -> None: ...

    def end(self, fault: dict[str, Any]) -> None: ...


@dataclass(slots=True)
class Injected:
    """One fault that has happened. Times are those of the simulated hardware's clock, s."""

    fault: kinds.Fault
    at_s: float
    phase: kinds.Phase | None
    end_s: float | None
    ended: bool = False


@dataclass(slots=True)
class _Waiting:
    fault: kinds.Fault
    due_s: float | None = None
    """When a fault of a phase is due, once the phase has begun."""


class Injector:
    """Watches a bench and does what the faults say. Ask it again and again; it is idle in between.

    Args:
        bench: the simulated hardware.
        faults: what is to happen.
        seed: of noise on a line.
        controller: for faults of the controller; None refuses them.
        turn_over_m: belt travel at which the encoder's counter turns over; None: by the fault's ``at_s``.
        file: for errors.

    Raises:
        InputError: a fault that this hardware cannot have.
    """

    def __init__(
        self,
        bench: SimBench,
        faults: Sequence[kinds.Fault],
        *,
        seed: int = 0,
        controller: ControllerSide | None = None,
        turn_over_m: float | None = None,
        file: Path | None = None,
    ) -> None:
        self._file = file
        self._bench = bench
        self._controller = controller
        self._seed = seed
        self._began_s = bench.clock()
        self._began_m = bench.world.belt.travel_m
        self._waiting = [_Waiting(fault) for fault in faults]
        self.watch = PhaseWatch(bench.world)
        self.injected: list[Injected] = []
        self._turn_over_m = turn_over_m
        self._looked_s = -1.0
        self._wanted_s: float | None = None
        for index, waiting in enumerate(self._waiting):
            self._check(waiting.fault, f"faults[{index}]")

    def _check(self, fault: kinds.Fault, key: str) -> None:
        if fault.what in kinds.CONTROLLER and self._controller is None:
            raise InputError(f"{fault.what} happens to a controller, and none is here", file=self._file, key=key)
        line = getattr(fault, "line", None)
        if line is not None and line not in self._bench.slaves:
            raise InputError(f"this cell has no line '{line}'", file=self._file, key=f"{key}.line")
        if isinstance(fault, kinds.VacuumLeak) and self._bench.leak is None:
            raise InputError("vacuum_leak needs the vacuum cell", file=self._file, key=f"{key}.what")
        if isinstance(fault, kinds.EncoderRollover):
            if self._turn_over_m is None:
                if fault.when.at_s is None:
                    message = "encoder_rollover needs at_s: the counter is preset before the run"
                    raise InputError(message, file=self._file, key=f"{key}.when")
                speed_mps = self._bench.scenario.feed.nominal_speed_mps
                self._turn_over_m = max(fault.when.at_s - START_UP_S, 0.1) * speed_mps
            self._bench.cabinet.preset(self._bench.world.cabinet.encoder_m + self._turn_over_m)

    @property
    def done(self) -> bool:
        """Everything has happened and is over."""
        return not self._waiting and all(one.ended for one in self.injected)

    def poll(self, now: float) -> float | None:
        """Do what is due; returns when to look again at the latest."""
        bench = self._bench
        if now == self._looked_s or (not self._waiting and self._wanted_s is not None and now < self._wanted_s - 1e-9):
            return self._wanted_s
        self._looked_s = now
        if self.done:
            self._wanted_s = None
            return None
        bench.world.advance(now)
        phase = self.watch.look()
        wanted: list[float] = []
        for waiting in list(self._waiting):
            due_s = self._due(waiting, phase, now)
            if due_s is not None and now >= due_s - 1e-9:
                self._waiting.remove(waiting)
                self._begin(waiting.fault, phase, now)
            elif due_s is not None:
                wanted.append(due_s)
        for one in self.injected:
            if one.ended or one.end_s is None:
                continue
            if now >= one.end_s - 1e-9:
                one.ended = True
                self._end(one.fault)
            else:
                wanted.append(one.end_s)
        self._wanted_s = min(wanted) if wanted else None
        return self._wanted_s

    def close(self) -> None:
        """End what is under way."""
        for one in self.injected:
            if not one.ended:
                one.ended = True
                self._end(one.fault)

    def report(self) -> list[dict[str, Any]]:
        """What was injected when, for the report: ``at_s`` since this began; and what never came to pass."""
        lines: list[dict[str, Any]] = []
        for one in self.injected:
            plain = one.fault.model_dump(mode="json", exclude_none=True)
            del plain["when"]
            if one.phase is not None:
                plain["phase"] = one.phase.value
            lines.append({"at_s": round(one.at_s - self._began_s, 3), "injected": True, **plain})
        for waiting in self._waiting:
            plain = waiting.fault.model_dump(mode="json", exclude_none=True)
            lines.append({"injected": False, **plain})
        return lines

    def _due(self, waiting: _Waiting, phase: kinds.Phase | None, now: float) -> float | None:
        fault = waiting.fault
        if isinstance(fault, kinds.EncoderRollover):
            turned = self._bench.world.belt.travel_m >= self._began_m + (self._turn_over_m or 0.0)
            return now if turned else None
        when = fault.when
        if when.at_s is not None:
            return self._began_s + when.at_s
        if waiting.due_s is None and phase is when.phase and self.watch.pick >= when.pick:
            waiting.due_s = max(now, self.watch.since_s + when.after_s)
        elif waiting.due_s is not None and phase is not when.phase:
            # The phase is over sooner than that: its end is as near as it gets.
            waiting.due_s = now
        return waiting.due_s

    def _begin(self, fault: kinds.Fault, phase: kinds.Phase | None, now: float) -> None:
        lasts_s = getattr(fault, "for_s", None)
        one = Injected(fault, now, phase, None if lasts_s is None else now + lasts_s, ended=lasts_s is None)
        self.injected.append(one)
        acts: dict[str, Callable[[Any], None]] = {
            "serial_unplug": lambda f: self._bench.unplug(f.line),
            "crc_noise": lambda f: self._disturb(f.line, corrupt=f.share),
            "slow_reply": lambda f: self._disturb(f.line, late=f.share, late_s=f.late_s),
            "stale_image": lambda f: self._bench.freeze_camera(True),
            "part_dropped": lambda f: self._bench.world.lose_held(),
            "jam": lambda f: self._bench.world.belt.jam(True),
            "double_pick": lambda f: self._bench.world.stick_to_next(f.wider_m),
            "belt_slip": lambda f: self._bench.world.cabinet.slip(f.share),
            "encoder_rollover": lambda f: None,
            "vacuum_leak": lambda f: self._leak(f.share),
            "emergency_stop": lambda f: self._bench.world.cabinet.press_estop(),
        }
        if fault.what in kinds.CONTROLLER:
            self._tell(fault, begins=True)
        else:
            acts[fault.what](fault)

    def _end(self, fault: kinds.Fault) -> None:
        acts: dict[str, Callable[[Any], None]] = {
            "serial_unplug": lambda f: self._bench.plug(f.line),
            "crc_noise": lambda f: self._calm(f.line),
            "slow_reply": lambda f: self._calm(f.line),
            "stale_image": lambda f: self._bench.freeze_camera(False),
            "jam": lambda f: self._bench.world.belt.jam(False),
            "belt_slip": lambda f: self._bench.world.cabinet.slip(0.0),
            "vacuum_leak": lambda f: self._leak(0.0),
            "emergency_stop": lambda f: self._bench.world.cabinet.release_estop(),
        }
        if fault.what in kinds.CONTROLLER:
            self._tell(fault, begins=False)
        else:
            acts[fault.what](fault)

    def _tell(self, fault: kinds.Fault, *, begins: bool) -> None:
        if self._controller is None:
            return
        plain = fault.model_dump(mode="json", exclude_none=True)
        if begins:
            self._controller.begin(plain)
        else:
            self._controller.end(plain)

    def _disturb(self, line: str, **shares: float) -> None:
        self._bench.slaves[line].fault = EvenlyDisturbed(**shares, seed=self._seed)

    def _calm(self, line: str) -> None:
        self._bench.slaves[line].fault = None

    def _leak(self, share: float) -> None:
        if self._bench.leak is not None:
            self._bench.leak(share)


class Watching:
    """Real time: asks an injector again and again, on a thread of its own, from now until ``close``."""

    PERIOD_S = 0.004

    def __init__(self, injector: Injector, clock: Callable[[], float], lock: AbstractContextManager[object]) -> None:
        self._injector = injector
        self._clock = clock
        self._lock = lock
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. Callable twice."""
        self._end.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)

    def _run(self) -> None:
        while not self._end.wait(self.PERIOD_S):
            with self._lock:
                self._injector.poll(self._clock())
                done = self._injector.done
            if done:
                return
