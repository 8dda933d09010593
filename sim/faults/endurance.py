"""Random faults for hours of simulated time: a journal that can be gone on with, and the table of all of it."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from perception.errors import InputError
from sim.faults.evaluation import Entry, verdicts_of
from sim.faults.kinds import KINDS, Phase
from sim.faults.trial import Case, Verdict

#: Seeds from here on are those of an endurance run; the table's own begin at 0.
FIRST_SEED: Final = 1_000_000
#: Cases are given out in portions, after each of which it is looked whether that is enough.
_PORTION: Final = 64


def drawn(number: int, faults: Sequence[str]) -> Case:
    """The case with that number, the same each time."""
    rng = random.Random(f"endurance {number}")
    return Case(rng.choice(list(faults)), rng.choice(list(Phase)), FIRST_SEED + number)


def read_journal(path: Path) -> list[tuple[int, Verdict]]:
    """What was done before; a last line that was cut off is done again.

    Raises:
        InputError: no such journal.
    """
    if not path.exists():
        return []
    found = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for index, line in enumerate(lines):
        try:
            content = json.loads(line)
            found.append((int(content.pop("number")), _verdict(content)))
        except (ValueError, KeyError, TypeError):
            if index == len(lines) - 1:
                break
            raise InputError("is no journal of an endurance run", file=path, line=index + 1) from None
    return found


def endure(
    journal: Path,
    *,
    hours: float,
    faults: Sequence[str] = tuple(KINDS),
    processes: int,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> dict[tuple[str, Phase], Entry]:
    """Go on until so many hours of simulated time stand in the journal.

    Args:
        journal: a line a run, written as soon as it is over; one that exists is gone on with.
        hours: of simulated time, those of the journal included.
        faults: to draw from.
        processes: how many at once.
        progress: told how many runs this time and how many simulated seconds they were.
    """
    before = read_journal(journal)
    done = {number for number, _ in before}
    verdicts = [verdict for _, verdict in before]
    simulated_s = sum(verdict.sim_s for verdict in verdicts)
    _trim(journal, before)
    here, here_s, number = 0, 0.0, 0
    with journal.open("a", encoding="utf-8") as lines:
        while simulated_s < hours * 3600.0:
            portion: dict[Case, int] = {}
            while len(portion) < _PORTION:
                if number not in done:
                    portion[drawn(number, faults)] = number
                number += 1
            for verdict in verdicts_of(list(portion), processes):
                lines.write(json.dumps({"number": portion[verdict.case], **_plain(verdict)}) + "\n")
                lines.flush()
                verdicts.append(verdict)
                here, here_s, simulated_s = here + 1, here_s + verdict.sim_s, simulated_s + verdict.sim_s
                progress(here, here_s)
                if simulated_s >= hours * 3600.0:
                    break
    return gathered(verdicts)


def gathered(verdicts: Iterable[Verdict]) -> dict[tuple[str, Phase], Entry]:
    """A table of verdicts."""
    table: dict[tuple[str, Phase], Entry] = {}
    for verdict in sorted(verdicts, key=lambda one: one.case.seed):
        case = verdict.case
        table.setdefault((case.fault, case.phase), Entry(case.fault, case.phase)).verdicts.append(verdict)
    return dict(_in_order(table))


def _in_order(table: dict[tuple[str, Phase], Entry]) -> Iterator[tuple[tuple[str, Phase], Entry]]:
    for fault in KINDS:
        for phase in Phase:
            if (fault, phase) in table:
                yield (fault, phase), table[fault, phase]


def _trim(journal: Path, before: list[tuple[int, Verdict]]) -> None:
    """Take off a line that was cut."""
    if before and not journal.read_text(encoding="utf-8").endswith("\n"):
        text = "".join(json.dumps({"number": number, **_plain(verdict)}) + "\n" for number, verdict in before)
        journal.write_text(text, encoding="utf-8")


def _plain(verdict: Verdict) -> dict[str, Any]:
    plain = dataclasses.asdict(verdict)
    plain["case"] = {**plain["case"], "phase": verdict.case.phase.value}
    if verdict.recovered_s is not None and math.isinf(verdict.recovered_s):
        plain["recovered_s"] = "never"
    return plain


def _verdict(plain: dict[str, Any]) -> Verdict:
    case = Case(plain["case"]["fault"], Phase(plain["case"]["phase"]), int(plain["case"]["seed"]))
    recovered = math.inf if plain["recovered_s"] == "never" else plain["recovered_s"]
    words = {name: tuple(plain[name]) for name in ("ledger_errors", "forbidden_motions", "unasked_restarts", "trace")}
    return Verdict(
        case, bool(plain["injected"]), bool(plain["detected"]), str(plain["reaction"]),
        recovered_s=recovered, sim_s=float(plain["sim_s"]), **words,
    )  # fmt: skip
