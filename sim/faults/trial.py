"""One fault in one phase of one run: what was done, what the cell made of it, what the referee has to say.

Lockstep without pictures, at most ``LONGEST_S`` of simulated time. The harness plays the operator: it waits, then gives
the commands that bring the cell back.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cell.launching import LaunchDescription, default_launch, load_launch
from cell.packml import State
from sim.bench import SimBench
from sim.faces.plain import PlainFaces
from sim.faults import accounts, kinds
from sim.faults.expected import ABORT, HOLD, NONE, STARTS_ABORTED, SUSPEND, Expectation, expected
from sim.faults.file import parse_faults
from sim.faults.injector import Injector
from sim.faults.kinds import Phase
from sim.faults.motion import MotionReferee, Rules
from sim.faults.phases import PhaseWatch
from sim.faults.taps import Wire
from sim.scenario import Feed, Scenario

LONGEST_S: Final = 8.0
SUBJECT: Final = 0
"""Number of the part that the arm is busy with: the first one, which is defective."""

#: How far into a phase the fault comes, s, least and most: the phases' own lengths without a fault.
INTO_S: Final = {
    Phase.IDLE: (0.65, 1.1),
    Phase.APPROACH: (0.05, 0.5),
    Phase.GRIP: (0.0, 0.05),
    Phase.CARRY: (0.05, 0.4),
    Phase.PLACE: (0.0, 0.01),
}
#: Whose turn it is, by seed.
LINES: Final = ("gripper", "drive", "cabinet")
NODES: Final = ("detector", "tracker", "policy", "picker", "gripper", "conveyor")
#: Faults of a suction cup.
VACUUM: Final = frozenset({"vacuum_leak"})
#: Nobody is there for so long after a loss of power, or until a crashed process is back, s.
DEAD_S: Final = 0.3
#: A part counts as seen when the camera has shown it as a whole this long ago, s.
SEEN_S: Final = 0.3
#: The world goes on for so long after all is over, s.
AFTERWARDS_S: Final = 0.25
_STOPS: Final = {
    State.ABORTING: ABORT,
    State.ABORTED: ABORT,
    State.HOLDING: HOLD,
    State.HELD: HOLD,
    State.SUSPENDING: SUSPEND,
    State.SUSPENDED: SUSPEND,
    State.STOPPING: "Stop",
    State.STOPPED: "Stop",
    State.COMPLETING: "Complete",
}
_UNKNOWN_EXCUSED: Final = frozenset({"serial_unplug", "emergency_stop", "node_crash", "power_loss"})


@dataclass(frozen=True, slots=True)
class Case:
    """What to try."""

    fault: str
    phase: Phase
    seed: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it.

    Attributes:
        injected: the phase came, and the fault with it.
        detected: the cell said so: by an alarm of that kind, or where none is asked for, by what it did.
        reaction: in the words of the table where it was right, else what it was.
        ledger_errors, forbidden_motions, unasked_restarts: in words.
        recovered_s: from the end of the fault, or the operator's first command, until the belt runs again; None where
            it never stopped, infinite where it did not come back.
        sim_s: simulated time.
        trace: states and fates, for whoever looks into it.
    """

    case: Case
    injected: bool
    detected: bool
    reaction: str
    ledger_errors: tuple[str, ...] = ()
    forbidden_motions: tuple[str, ...] = ()
    unasked_restarts: tuple[str, ...] = ()
    recovered_s: float | None = None
    sim_s: float = 0.0
    trace: tuple[str, ...] = ()


def fault_of(case: Case) -> kinds.Fault:
    """The fault with its parameters; which line or node it meets goes round with the seed."""
    wanted = expected(case.fault, case.phase)
    into = random.Random(f"{case.fault} {case.phase.value} {case.seed}").uniform(*INTO_S[case.phase])
    plain: dict[str, Any] = {"what": case.fault, "when": {"phase": case.phase.value, "after_s": round(into, 4)}}
    if case.fault == "serial_unplug":
        plain["line"] = LINES[case.seed % len(LINES)]
    elif case.fault == "node_crash":
        plain["node"] = node_of(case)
    elif case.fault == "slow_reply":
        plain["share"] = 0.3
    elif case.fault == "clock_jump":
        plain["by_s"] = (3600.0, -3600.0, 0.5, -86400.0)[case.seed % 4]
    if wanted.fault_s is not None:
        plain["for_s"] = wanted.fault_s
    return parse_faults([plain])[0]


@dataclass(slots=True)
class _Run:
    """What is gathered on the way."""

    reaction: str | None = None
    fate: str | None = None
    alarms: set[str] = field(default_factory=set)
    unbalanced: list[str] = field(default_factory=list)
    operator_s: float | None = None
    recovered_s: float | None = None
    stopped: bool = False
    lives: int = 0
    trace: list[str] = field(default_factory=list)


class Trial:
    """Runs one case.

    Args:
        case: what.
        folder: an empty one, for the ledgers.
        turn_over_m: belt travel at which the counter turns over, for that fault.
    """

    def __init__(self, case: Case, folder: Path, *, turn_over_m: float | None = None) -> None:
        self.case = case
        self.expected: Expectation = expected(case.fault, case.phase)
        self._folder = folder
        self._fault = fault_of(case)
        self._turn_over_m = turn_over_m if case.fault == "encoder_rollover" else None
        self._bench = bench_of(case)
        self._wire = Wire(self._bench)
        self._referee = MotionReferee(self._bench.world, self._wire)
        self._began_s = self._bench.clock()
        self._run = _Run()
        self._fault_s = math.inf
        self._polled_s = -1.0
        self._seen: dict[int, float] = {}
        self._injector = Injector(
            self._bench, [self._fault], seed=case.seed, controller=self, turn_over_m=self._turn_over_m
        )
        self._life: Any = None
        self._accounts: list[accounts.Account] = []

    # --- the controller's side of a fault

    def begin(self, fault: dict[str, Any]) -> None:
        """What happens to the controller."""
        self._mark()
        self._life.casualties.begin(fault)

    def end(self, fault: dict[str, Any]) -> None:
        """It is over."""
        self._life.casualties.end(fault)

    # --- the run

    def run(self) -> Verdict:
        """All of it."""
        from sim.nodes.life import Killed, Life  # noqa: PLC0415 (loads the runtime)

        bench = self._bench
        bench.start()
        bench.poll_beside("faults", self._injector)
        bench.poll_beside("the referee", self)
        launch = launch_of(self.case)
        try:
            while True:
                folder = self._folder / f"life{self._run.lives}"
                folder.mkdir(exist_ok=True)
                self._run.lives += 1
                try:
                    with Life(
                        bench, launch, folder, overrides=overrides_of(self.case), aliases={"detector": "sim_sight"}
                    ) as life:
                        self._life = life
                        try:
                            life.run(self._finished)
                        except Killed:
                            life.leave(self._folder / f"life{self._run.lives}")
                            raise
                        finally:
                            self._gather(life)
                    break
                except Killed:
                    # A clean end of what was killed came too late for the copy.
                    bench.pass_time(DEAD_S)
        finally:
            bench.close()
        return self._verdict()

    def poll(self, now: float) -> float | None:
        """At every instant: the world's side of what is judged."""
        if now == self._polled_s:
            return None
        self._polled_s = now
        if self._injector.injected and math.isinf(self._fault_s):
            self._mark()
        self._referee.poll(now)
        return None

    def _mark(self) -> None:
        """The fault begins now."""
        if math.isfinite(self._fault_s):
            return
        self._fault_s = self._bench.clock()
        packml, wanted = self.expected.packml, self.expected
        kind = {ABORT: "stop", STARTS_ABORTED: "stop", HOLD: "end", SUSPEND: "end"}.get(packml, "none")
        if wanted.words.startswith("no pick"):
            kind = "no_pick"
        if self.case.fault == "vacuum_leak":
            kind = "none"  # until it holds: to place slowly is right as well
        keeps_s = {"serial_unplug": 0.1, "node_crash": wanted.within_s}.get(self.case.fault, 0.0)
        self._referee.begin(Rules(kind, wanted.within_s, wanted.stands_s, keeps_s), self._fault_s)

    def _finished(self) -> bool:
        now = self._bench.clock()
        self._look(now)
        since_s = now - self._fault_s
        if now - self._began_s >= LONGEST_S:
            return True
        if math.isinf(self._fault_s):
            return False
        fault_over_s = self._fault_s + (self.expected.fault_s or 0.0)
        stops = self.expected.packml != NONE or self._run.stopped
        if stops and since_s >= self.expected.operator_s and now >= fault_over_s:
            return self._bring_back(now)
        if not stops and since_s >= self.expected.operator_s and now >= fault_over_s:
            return self._subject_closed(now)
        return False

    def _look(self, now: float) -> None:
        """What is published, taken down; and whom the camera has shown."""
        run, life = self._run, self._life
        for part in self._bench.world.parts:
            if part.number not in self._seen and self._in_picture(part):
                self._seen[part.number] = now
        if math.isinf(self._fault_s):
            return
        state = life.operator.state
        if state in _STOPS and run.operator_s is None:
            run.stopped = True
            if run.reaction is None:
                self_aborted = run.lives > 1 and self.case.fault == "power_loss" and state is State.ABORTED
                run.reaction = STARTS_ABORTED if self_aborted else _STOPS[state]
                if self.case.fault == "vacuum_leak":
                    self._referee.begin(Rules("end", 0.3, 1.5), now)

    def _in_picture(self, part: Any) -> bool:
        camera = self._bench.scenario.camera
        half_m = camera.height_px / camera.px_per_m / 2.0 - part.half_extent_m()[0] - 0.004
        return bool(abs(part.belt_x_m + self._bench.world.belt.travel_m) <= half_m)

    def _bring_back(self, now: float) -> bool:
        """The operator at work; True once the cell runs again and a little after."""
        from sim.nodes.life import Killed  # noqa: PLC0415

        run, operator = self._run, self._life.operator
        if run.operator_s is None:
            self._note_fate()
            run.operator_s = now
            self._referee.permit(now)
            if self.case.fault == "node_crash":
                raise Killed("started again by the service manager")
        if run.recovered_s is not None:
            return now - run.recovered_s >= AFTERWARDS_S
        nominal_mps = self._bench.scenario.feed.nominal_speed_mps
        if operator.state is State.EXECUTE and self._bench.world.belt.speed_mps >= 0.9 * nominal_mps:
            run.recovered_s = now
        else:
            operator.go_on()
        return False

    def _subject_closed(self, now: float) -> bool:
        self._accounts = accounts.read_accounts(self._life.ledger)
        self._note_fate()
        closed = [one for one in self._accounts if one.fate == self._run.fate and one.fate is not None]
        # By then whatever came along with it has to be in the books as well.
        return bool(closed) and now - max(one.at_s for one in closed) >= accounts.BOOKED_S + AFTERWARDS_S

    def _books(self) -> accounts.Books:
        slipped = self.case.fault == "belt_slip"
        return accounts.Books(
            offset_m=self._turn_over_m or 0.0,
            near_m=0.16 if slipped else accounts.NEAR_M,
            may_be_unknown=self.case.fault in _UNKNOWN_EXCUSED,
        )

    def _fates(self) -> dict[int, Any]:
        return {fate.number: fate for fate in self._bench.world.referee.fates()}

    def _note_fate(self) -> None:
        """What the ledger says of the subject now."""
        self._accounts = accounts.read_accounts(self._life.ledger)
        owners = self._books().owners(self._accounts, self._fates())
        self._run.fate = next(
            (one.fate for one in self._accounts if owners.get((one.run_id, one.part_id)) == SUBJECT and one.fate), None
        )

    def _gather(self, life: Any) -> None:
        """Before a life is cleared away: its ledger as it stands, and what was published."""
        run = self._run
        self._accounts = accounts.read_accounts(life.ledger)
        if run.operator_s is None:
            self._note_fate()
        run.unbalanced += life.operator.unbalanced
        run.alarms |= {key for key, at_s in life.operator.alarms.items() if at_s >= self._fault_s}
        happened: list[tuple[float, str]] = [
            (at_s, f"{state.title} ({why})" if why else state.title)
            for (at_s, state), why in zip(life.operator.states, life.operator.reasons, strict=True)
        ]
        happened += [(at_s, f"operator: {event.title}") for at_s, event in life.operator.commands]
        since_s = self._fault_s
        run.trace += [f"{at_s - since_s:+.2f} s {what}" for at_s, what in sorted(happened) if at_s > since_s]

    def _verdict(self) -> Verdict:
        run, wanted = self._run, self.expected
        now = self._bench.clock()
        injected = bool(self._injector.injected) and math.isfinite(self._fault_s)
        if not injected:
            return Verdict(self.case, False, False, "not injected", sim_s=now - self._began_s)
        packml = run.reaction or NONE
        right = packml == wanted.packml and run.fate in wanted.fates
        if self.case.fault == "vacuum_leak" and wanted.packml == HOLD and packml == NONE:
            right = run.fate in wanted.fates
        actual = packml if run.fate is None else f"{packml}; part {run.fate}"
        seen = frozenset(number for number, at_s in self._seen.items() if now - at_s >= SEEN_S)
        if wanted.words.startswith("no pick") or self.case.fault == "stale_image":
            # What came while the camera hung was shown to nobody.
            seen = frozenset(n for n in seen if self._seen[n] <= self._fault_s - 0.1)
        wrong = [*run.unbalanced[:1], *self._books().findings(self._accounts, self._fates(), seen, now)]
        recovered = None
        if run.stopped or wanted.packml != NONE:
            since_s = max(run.operator_s or math.inf, self._fault_s + (wanted.fault_s or 0.0))
            recovered = math.inf if run.recovered_s is None else max(run.recovered_s - since_s, 0.0)
        detected = bool(run.alarms & wanted.alarms) if wanted.alarms else right
        if self.case.fault == "vacuum_leak" and packml == NONE:
            detected = detected or run.fate in ("missed", "dropped")
        return Verdict(
            self.case,
            True,
            detected,
            wanted.words if right else actual,
            tuple(wrong),
            tuple(self._referee.forbidden),
            tuple(self._referee.restarts),
            recovered,
            now - self._began_s,
            (*run.trace, f"alarms {sorted(run.alarms)}", f"part {run.fate}"),
        )


def node_of(case: Case) -> str:
    """Whose turn it is to die."""
    return NODES[case.seed % len(NODES)]


def bench_of(case: Case) -> SimBench:
    """The hardware of a case: parts come more closely than in production, so that eight seconds are enough."""
    feed = Feed(rate_per_min=60.0, defective_share=0.5)
    if case.fault == "double_pick":
        # In pairs, one close behind the other.
        feed = Feed(rate_per_min=60.0, defective_share=0.5, arrivals="batch", batch_size=2)
    return SimBench(
        {"gripper": "robotiq_epick"} if case.fault in VACUUM else {},
        seed=case.seed,
        parts=None,
        source=None,
        lockstep=True,
        faces=PlainFaces(defective_share=0.5, first_defective=True),
        scenario=Scenario(feed=feed),
    )


def launch_of(case: Case) -> LaunchDescription:
    """The cell in which a fault is tried: that with fingers, or that with a cup."""
    home = default_launch().parent
    name = "vacuum.params.yaml" if case.fault in VACUUM else "cell.params.yaml"
    return load_launch(home / "faults.launch.yaml", {"params": str(home / name)})


def overrides_of(case: Case) -> dict[str, dict[str, Any]]:
    """Nothing shares a processor with anything here: the limits are those of hardware."""
    return {
        "supervisor": {"speed_mps": 0.2, "inputs_age_s": 0.5, "loss_s": 0.0},
        "picker": {"seed": case.seed},
        "sim_sight": {"seed": case.seed},
    }


class Pilot:
    """A run in which nothing happens: where the belt is when each phase of the first pick begins."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._case = Case("encoder_rollover", Phase.IDLE, seed)
        self._folder = folder
        self._bench = bench_of(self._case)
        self._watch = PhaseWatch(self._bench.world)
        self._found: dict[Phase, float] = {}

    def run(self) -> dict[Phase, float]:
        """Belt travel, m, by phase; without those that did not come."""
        from sim.nodes.life import Life  # noqa: PLC0415 (loads the runtime)

        self._bench.start()
        try:
            with Life(
                self._bench,
                launch_of(self._case),
                self._folder,
                overrides=overrides_of(self._case),
                aliases={"detector": "sim_sight"},
            ) as life:
                life.run(self._finished)
        finally:
            self._bench.close()
        return self._found

    def _finished(self) -> bool:
        bench = self._bench
        bench.world.advance(bench.clock())
        phase = self._watch.look()
        if phase is not None and self._watch.pick == 1:
            self._found.setdefault(phase, bench.world.belt.travel_m)
        return len(self._found) == len(Phase) or bench.clock() >= 1.0 + LONGEST_S
