"""``stale_accepted``: how many values come out of a bad line that do not answer the question that they were taken for.

Replies are late (after the time-out), lost, behind noise, with flipped bits, cut short and doubled. A value is wrong if
it belongs to another place, or was read by the device before it was asked for. Faulty transactions are counted, a
million of them in simulated time and ten thousand over ptys; the peers ask a thousand times over ptys, and their count
is what that would be in as many transactions as ours.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cell.cli.bench.figures import Figure, Sample, figure
from cell.drivers.bus import Bus
from cell.drivers.bus_thread import BusThread
from cell.drivers.frames import READ_INPUT, Request
from cell.drivers.modbus import Reply
from cell.drivers.serial_port import SerialPort
from sim.bench_drivers.clients import OURS, PEERS, TIMEOUT_S, measure
from sim.bench_drivers.lines import BAUD, UNIT, ClockDevice, Lines, is_right
from sim.bench_drivers.table import Setup
from sim.emulators.line_faults import LineQuality, NoisyLine
from sim.emulators.slave import RtuSlave
from sim.links import LinkHall

SIMULATED: Final = 1_000_000
LIVE: Final = 10_000
PEER: Final = 1000
LINES: Final = 24
SHARES: Final = {"late": 0.25, "lost": 0.15, "noisy": 0.3, "flipped": 0.2, "cut": 0.05, "doubled": 0.1}
# After the time-out, and when the next question is under way.
LATE_S: Final = (TIMEOUT_S + 0.002, 0.3)
REPORT_EVERY: Final = 100_000


@dataclass(slots=True)
class Tally:
    """What came of the questions on one line."""

    asked: int = 0
    answered: int = 0
    wrong: int = 0
    asked_s: float = 0.0


class Questioner:
    """Asks a ``ClockDevice`` again and again, as drivers do: with spare registers, twin functions, both or neither.

    Args:
        bus: where to.
        seed: of places and kinds.
        more: whether to go on.
    """

    def __init__(self, bus: Bus, seed: int, more: Callable[[], bool]) -> None:
        self.tally = Tally()
        self.over = threading.Event()
        self._bus = bus
        self._draw = random.Random(seed)
        self._more = more

    def ask(self) -> None:
        """One question."""
        draw, tally = self._draw, self.tally
        spare, twin = draw.choice(((2, True), (2, False), (0, True), (0, False)))
        request = Request(UNIT, READ_INPUT, 2 * draw.randrange(500), draw.randint(1, 4), spare=spare, twin=twin)
        tally.asked += 1
        tally.asked_s = self._bus.clock()
        self._bus.submit(request, self._done, retries=0)

    def _done(self, reply: Reply) -> None:
        tally = self.tally
        if reply.ok:
            tally.answered += 1
            tally.wrong += not is_right(reply.values, reply.request.address, tally.asked_s)
        if self._more():
            self.ask()
        else:
            self.over.set()


def simulated(faulty: int, seed: int, tell: Callable[[str], None] = lambda words: None) -> Tally:
    """Until so many transactions were faulty, in simulated time."""
    now = [0.0]
    hall = LinkHall(lambda: now[0], threaded=False)
    slave = RtuSlave(UNIT, ClockDevice(), baudrate=BAUD)
    noise = slave.fault = NoisyLine(LineQuality(late_s=LATE_S, **SHARES), seed)
    hall.attach("bad", slave, baudrate=BAUD)
    bus = Bus("bad", lambda: hall.open("bad", BAUD), lambda: now[0], BAUD, reply_timeout_s=TIMEOUT_S)
    questioner = Questioner(bus, seed, lambda: noise.disturbed < faulty)
    questioner.ask()
    told = 0
    while not questioner.over.is_set():
        one, other = bus.poll(now[0]), hall.poll(now[0])
        due_s = min(value for value in (one, other, now[0] + 1.0) if value is not None)
        now[0] = max(now[0], due_s)
        if noise.disturbed >= told + REPORT_EVERY:
            told = noise.disturbed
            tell(f"stale_accepted: {told} of {faulty} faulty transactions, {questioner.tally.wrong} wrong values")
    return questioner.tally


def live(faulty: int, seed: int) -> Tally:
    """Until so many were faulty, over ptys; several lines at once, because a faulty one mostly waits."""
    # Every disturbed reply was asked for; what a line is asked is about faulty / (lines x share).
    share = 1.0
    for value in SHARES.values():
        share *= 1.0 - value
    quota = round(faulty / (1.0 - share) / LINES * 1.05) + 1
    quality: dict[str, Any] = {"late_s": LATE_S, **SHARES}
    with Lines("clock", count=LINES, quality=quality, seed=seed) as lines:
        threads: list[BusThread] = []
        questioners: list[Questioner] = []
        try:
            for number, path in enumerate(lines.paths):

                def open_port(path: str = path) -> SerialPort:
                    return SerialPort(path, BAUD)

                bus = Bus(path, open_port, time.monotonic, BAUD, reply_timeout_s=TIMEOUT_S)
                thread = BusThread(bus)
                thread.start()
                threads.append(thread)

                def more(number: int = number) -> bool:
                    return questioners[number].tally.asked < quota

                questioners.append(Questioner(bus, seed + number, more))
            for questioner in questioners:
                questioner.ask()
            for questioner in questioners:
                questioner.over.wait()
        finally:
            for thread in threads:
                thread.stop()
        total = Tally(asked=lines.say("counts")["disturbed"])
    for questioner in questioners:
        total.answered += questioner.tally.answered
        total.wrong += questioner.tally.wrong
    return total


def accepted(setup: Setup) -> list[Figure]:
    """The figure beside each peer."""
    faulty = setup.amount(SIMULATED)
    setup.tell(f"stale_accepted: {faulty} faulty transactions in simulated time")
    ours = simulated(faulty, 1, setup.tell)
    faulty_live = setup.amount(LIVE)
    setup.tell(f"stale_accepted: {faulty_live} faulty transactions over {LINES} ptys")
    ours_live = live(faulty_live, 2)
    n = faulty + ours_live.asked
    mine = Sample((float(ours.wrong + ours_live.wrong),), n)
    figures = []
    for name in PEERS:
        amount = setup.amount(PEER)
        setup.tell(f"stale_accepted: {name}, {amount} transactions")
        try:
            # Frames that follow too soon are answered here: a peer is not to be saved by its silence.
            quality = {"late_s": LATE_S, **SHARES}
            with Lines("clock", strict=False, quality=quality, seed=3) as lines:
                found = measure(name, "clock", lines.paths[0], amount)
                disturbed = lines.say("counts")["disturbed"]
        except RuntimeError as error:
            setup.leave_out(name, error)
            continue
        setup.tell(f"stale_accepted: {name} took {found['wrong']} wrong values of {disturbed} faulty transactions")
        other = Sample((found["wrong"] / max(disturbed, 1) * n,), disturbed)
        figures.append(_figure(mine, name, other))
    return figures or [_figure(mine, "no peer is installed", mine)]


def _figure(ours: Sample, peer: str, other: Sample) -> Figure:
    """Counts of wrong values; 0 has no ratio, so one more of each is compared."""
    whole = figure("stale_accepted", "wrong values", (OURS, ours), (peer, other), more_is_better=False)
    ratio = float(f"{(other.median + 1.0) / (ours.median + 1.0):.4g}")
    return Figure(
        name=whole.name,
        ours=whole.ours,
        peer=whole.peer,
        ours_value=whole.ours_value,
        peer_value=whole.peer_value,
        unit=whole.unit,
        ratio=ratio,
        n=whole.n,
        spread=whole.spread,
    )
