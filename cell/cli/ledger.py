"""``cell ledger``: the runs, one part's whole story, the records as a table for others, and what may go.

Reads the file of a cell that runs as well as of one that stands.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cell.cli.command import positive_float, positive_int
from cell.cli.state import LEDGER
from cell.ledger_retention import ARCHIVE, DAY_S, archive
from cell.simfolder import default_state

NOTHING = 1
_EPOCH_S = 1e8
"""Later stamps are dates; earlier ones are seconds of a simulated clock."""


class RunsCommand:
    """One line a run."""

    help = "list the runs in the ledger: when, how they ended, what became of their parts"
    example = "cell ledger runs"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        _file_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        from cell.ledger_export import read_only  # noqa: PLC0415 (loads SQLite)

        connection = read_only(_file(args))
        try:
            rows = connection.execute(
                "SELECT run.run_id, started_s, closed_s, how, archive.file,"
                " (SELECT count(*) FROM part WHERE part.run_id = run.run_id) FROM run"
                " LEFT JOIN archive USING (run_id) ORDER BY run.run_id"
            ).fetchall()
            fates: dict[int, list[str]] = {}
            for run_id, fate, count in connection.execute(
                "SELECT run_id, fate, count(*) FROM fate GROUP BY run_id, fate ORDER BY count(*) DESC"
            ):
                fates.setdefault(run_id, []).append(f"{count} {fate}")
        finally:
            connection.close()
        for run_id, started_s, closed_s, how, archived, parts in rows:
            end = "goes on, or had no end" if closed_s is None else f"{how} after {_span(closed_s - started_s)}"
            what = f"in {archived}" if archived else f"{parts} parts" + "".join(f", {w}" for w in fates.get(run_id, ()))
            print(f"{run_id:6}  {_when(started_s)}  {end}: {what}")
        return 0


class ShowCommand:
    """All that is known of one part."""

    help = "show one part's whole story"
    example = "cell ledger show 17\ncell ledger show 17 --run 3 --json"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("part", type=positive_int, metavar="PART", help="its number")
        parser.add_argument("--run", type=positive_int, metavar="N", help="default: the newest run that had that part")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        _file_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        from cell.ledger_export import COLUMNS, read_only  # noqa: PLC0415 (loads SQLite)

        connection = read_only(_file(args))
        try:
            where, values = ("AND run_id = ?", [args.run]) if args.run is not None else ("", [])
            row = connection.execute(
                f"SELECT {', '.join(COLUMNS)} FROM record WHERE part_id = ? {where} ORDER BY run_id DESC LIMIT 1",
                [args.part, *values],
            ).fetchone()
            if row is None:
                run = "" if args.run is None else f" in run {args.run}"
                print(f"there is no part {args.part}{run}", file=sys.stderr)
                return NOTHING
            record = dict(zip(COLUMNS, row, strict=True))
            decisions = connection.execute(
                "SELECT at_s, action, bin, policy, reason FROM decision WHERE run_id = ? AND part_id = ?"
                " ORDER BY decision_id",
                (record["run_id"], args.part),
            ).fetchall()
        finally:
            connection.close()
        if args.json:
            words = ("at_s", "action", "bin", "policy", "reason")
            print(json.dumps({**record, "decisions": [dict(zip(words, one, strict=True)) for one in decisions]}))
            return 0
        for line in _story(record, decisions):
            print(line)
        return 0


class ExportCommand:
    """The records as a table."""

    help = "write the records as CSV or Parquet, one line a part"
    example = "cell ledger export parts.csv --since 2026-11-01\ncell ledger export run3.parquet --run 3"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("into", type=Path, metavar="FILE", help=".csv or .parquet (needs the extra parquet)")
        parser.add_argument("--run", type=positive_int, metavar="N", help="only this run")
        parser.add_argument("--since", type=_date, metavar="DATE", help="only parts that entered from then on")
        parser.add_argument("--until", type=_date, metavar="DATE", help="... and before then")
        _file_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        from cell.ledger_export import Selection, export  # noqa: PLC0415 (loads SQLite)

        progress = _Progress("written")
        count = export(_file(args), args.into, Selection(args.run, args.since, args.until), progress)
        progress.end()
        print(f"{args.into}: {count} parts")
        return 0


class ArchiveCommand:
    """Retention by hand."""

    help = "move runs that ended long ago into an archive, a ledger of its own beside this one"
    example = "cell ledger archive --older-than 90\ncell ledger export 2026.csv --ledger ledger-archive.sqlite"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--older-than", type=positive_float, required=True, metavar="DAYS", help="since the end of the run"
        )
        parser.add_argument("--into", type=Path, metavar="FILE", help=f"default: {ARCHIVE} beside the ledger")
        _file_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        ledger, now_s = _file(args), time.time()
        into = args.into or ledger.with_name(ARCHIVE)
        progress = _Progress("runs moved")
        moved = archive(ledger, into, before_s=now_s - args.older_than * DAY_S, now_s=now_s, progress=progress)
        progress.end()
        print(f"{into}: {moved.parts} parts of {moved.runs} runs" if moved.runs else "no run is that old")
        return 0


class _Progress:
    """A line on a terminal that says how far it is, and nothing elsewhere."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began_s = time.monotonic()
        self._said = False

    def __call__(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        self._said = True
        rate = done / max(time.monotonic() - self._began_s, 1e-3)
        print(
            f"\r{self._what}: {done} of {total}, {(total - done) / max(rate, 1e-9):.0f} s left\033[K",
            end="",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        if self._said:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _file_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--state", type=Path, metavar="DIR", help="of the cell; default: the user's")
    group.add_argument("--ledger", type=Path, metavar="FILE", help="the file itself, for example an archive")


def _file(args: argparse.Namespace) -> Path:
    if args.ledger is not None:
        return Path(args.ledger)
    return Path(args.state or default_state()) / LEDGER


def _date(text: str) -> float:
    """A date, or date and time, of this machine's zone where it names none; seconds of the epoch."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a date such as 2026-11-21 or 2026-11-21T06:00, not {text!r}"
        ) from None


def _when(stamp_s: float) -> str:
    if stamp_s < _EPOCH_S:
        return f"{stamp_s:.2f} s"
    return datetime.datetime.fromtimestamp(stamp_s).astimezone().isoformat(" ", "seconds")


def _span(duration_s: float) -> str:
    return f"{duration_s:.0f} s" if duration_s < 120 else f"{datetime.timedelta(seconds=round(duration_s))}"


def _story(record: dict[str, Any], decisions: Iterable[tuple[Any, ...]]) -> list[str]:
    began_s = float(record["entered_s"])
    lines = [f"part {record['part_id']} of run {record['run_id']}", f"{_when(began_s)}  entered"]

    def at(stamp_s: float, words: str) -> None:
        lines.append(f"{stamp_s - began_s:+10.2f} s  {words}")

    defects = ", ".join(json.loads(record["defects"]))
    verdict = f"{record['verdict']}, score {record['score']:.3f}" + (f" ({defects})" if defects else "")
    lines.append(f"            verdict {verdict}, {record['views']} views, model {record['model_hash'][:12] or '-'}")
    if record["picture_stamp_s"] is not None:
        kept = f", kept in {record['picture']}" if record["picture"] else ""
        at(record["picture_stamp_s"], f"its picture{kept}")
    for at_s, action, bin_name, policy, reason in decisions:
        into = f" into {bin_name}" if bin_name else ""
        at(at_s, f"{action}{into}" + (f" by {policy}" if policy else "") + (f": {reason}" if reason else ""))
    if record["picked_s"] is not None:
        proof = [
            f"{label} {value * scale:.1f} {unit}"
            for label, key, scale, unit in (
                ("grip", "grip_width_m", 1e3, "mm"),
                ("current", "grip_current_a", 1e3, "mA"),
                ("pressure", "grip_pressure_pa", 1e-3, "kPa"),
            )
            if (value := record[key]) is not None
        ]
        tries = record["grip_tries"] or 1
        at(
            record["picked_s"],
            "in the hand" + (f", {', '.join(proof)}" if proof else "") + (f", try {tries}" * (tries > 1)),
        )
    if record["fate"] is None:
        lines.append("            no fate yet")
    else:
        into = f" into {record['bin']}" if record["bin"] else ""
        at(record["fate_s"], f"{record['fate']}{into}" + (f": {record['reason']}" if record["reason"] else ""))
    if record["energy_j"] is not None:
        lines.append(f"            energy {record['energy_j']:.1f} J")
    for key in ("acknowledged", "reconciled"):
        if record[key]:
            lines.append(f"            {key}: {record[key]}")
    return lines
