"""Alarms after ISA-18.2: active and acknowledged apart, latched, shelved, first-out, floods, and a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from cell.alarm_journal import AlarmJournal, read_events
from cell.alarms import FLOOD_COUNT, FLOOD_S, RETURN_S, SHELVE_LIMIT_S, STANDING_S, AlarmBook

JAM, NOISE, STOP = "jam", "line_noise:drive", "emergency_stop"


def _book(**present: str) -> AlarmBook:
    book = AlarmBook()
    book.update({name.replace("__", ":"): words for name, words in present.items()}, 100.0)
    return book


def test_acknowledged_alarm_stays_visible_when_its_cause_is_there() -> None:
    book = _book(jam="the belt stands")
    assert book.acknowledge(JAM, "op", "on my way", 101.0) is None
    (alarm,) = book.listing()
    assert (alarm.active, alarm.acknowledged, alarm.by, alarm.comment) == (True, True, "op", "on my way")
    assert book.acknowledge(JAM, "op", "", 102.0) is not None
    book.update({}, 103.0)
    assert book.listing() == ()


def test_latched_alarm_stays_when_its_cause_has_gone_until_somebody_has_seen_it() -> None:
    book = _book(jam="the belt stands", line_noise__drive="noise")
    book.update({}, 101.0)
    assert [(a.name, a.active) for a in book.listing()] == [(JAM, False)]
    assert book.acknowledge("", "op", "", 102.0) is None
    assert book.listing() == ()
    assert book.acknowledge("", "op", "", 103.0) is not None


def test_occurrences_are_counted_and_want_to_be_acknowledged_anew_when_an_alarm_returns() -> None:
    book = _book(jam="one")
    book.acknowledge(JAM, "op", "", 101.0)
    book.update({}, 102.0)
    book.update({JAM: "two"}, 103.0)
    (alarm,) = book.listing()
    assert (alarm.count, alarm.acknowledged, alarm.raised_s, alarm.words) == (2, False, 103.0, "two")


def test_first_out_is_the_first_that_made_the_cell_react_when_several_follow() -> None:
    book = _book(clock_jump="set")
    book.update({"clock_jump": "set", "device_lost:drive": "gone"}, 101.0)
    book.update({"clock_jump": "set", "device_lost:drive": "gone", "node_silent:conveyor": "silent"}, 102.0)
    assert [alarm.name for alarm in book.listing() if alarm.first_out] == ["device_lost:drive"]
    assert [alarm.priority for alarm in book.listing()] == sorted((a.priority for a in book.listing()), reverse=True)


def test_shelved_alarm_comes_back_by_itself_when_its_time_is_over() -> None:
    book = _book(line_noise__drive="noise")
    assert book.shelve(NOISE, 60.0, "op", "the fitter is called", 101.0) is None
    book.update({}, 110.0)
    book.update({NOISE: "noise"}, 120.0)
    (alarm,) = book.listing()
    assert alarm.shelved(120.0)
    assert alarm.comment == "the fitter is called"
    book.update({NOISE: "noise"}, 161.5)
    assert not book.listing()[0].shelved(161.5)
    assert [change.what for change in book.changes()][-1] == "expired"


@pytest.mark.parametrize(
    ("name", "duration_s", "comment"),
    [(NOISE, 60.0, " "), (NOISE, 0.0, "why"), (NOISE, SHELVE_LIMIT_S + 1.0, "why"), (STOP, 60.0, "why"),
     ("nothing", 60.0, "why"), (NOISE, float("nan"), "why")],
)  # fmt: skip
def test_shelving_is_refused_when_it_is_without_end_reason_or_would_hide_a_stop(
    name: str, duration_s: float, comment: str
) -> None:
    book = _book(line_noise__drive="noise", emergency_stop="pressed")
    assert book.shelve(name, duration_s, "op", comment, 101.0) is not None
    assert not any(alarm.shelved(101.0) for alarm in book.listing())


def test_unshelved_alarm_is_in_sight_when_somebody_asks_for_it() -> None:
    book = _book(line_noise__drive="noise")
    assert book.unshelve(NOISE, "op", 101.0) is not None
    book.shelve(NOISE, 60.0, "op", "why", 101.0)
    assert book.unshelve(NOISE, "op", 102.0) is None
    assert not book.listing()[0].shelved(102.0)


def test_flood_begins_with_the_eleventh_alarm_in_ten_minutes_and_ends_below_five() -> None:
    book = AlarmBook()
    for index in range(FLOOD_COUNT):
        book.update({NOISE: "noise"}, 10.0 + 2 * index)
        book.update({}, 11.0 + 2 * index)
    assert not book.flood
    book.update({NOISE: "noise"}, 40.0)
    assert book.flood
    assert book.recent == FLOOD_COUNT + 1
    assert any(alarm.name == "alarm_flood" for alarm in book.listing())
    book.update({}, 10.0 + FLOOD_S + 6.5)
    assert book.flood
    book.update({}, 40.0 + FLOOD_S)
    assert not book.flood
    assert book.listing() == ()


def test_alarm_is_standing_when_it_is_there_for_a_day() -> None:
    book = _book(jam="stands")
    book.update({JAM: "stands"}, 100.0 + STANDING_S + 1.0)
    assert not book.listing()[0].standing(100.0 + STANDING_S)
    assert book.listing()[0].standing(101.0 + STANDING_S)


def test_unknown_condition_is_no_alarm() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        AlarmBook().update({"nonsense": ""}, 1.0)


def _keep(path: Path, book: AlarmBook, *, threaded: bool = False) -> None:
    journal = AlarmJournal(str(path), threaded=threaded)
    journal.write(book.changes(), book.kept())
    journal.close()


@pytest.mark.parametrize("threaded", [False, True])
def test_acknowledgements_and_shelving_outlive_a_restart(tmp_path: Path, threaded: bool) -> None:
    path = tmp_path / "alarms.sqlite"
    book = _book(jam="stands", line_noise__drive="noise", emergency_stop="pressed")
    book.acknowledge(JAM, "op", "seen", 101.0)
    book.shelve(NOISE, 600.0, "op", "why", 102.0)
    _keep(path, book, threaded=threaded)
    again = AlarmBook(AlarmJournal(str(path), threaded=False).kept, 200.0)
    # The emergency stop was seen by nobody.
    assert [(a.name, a.active, a.acknowledged) for a in again.listing()] == [(STOP, False, False)]
    again.update({JAM: "stands", NOISE: "noise"}, 201.0)
    by_name = {alarm.name: alarm for alarm in again.listing()}
    assert by_name[JAM].acknowledged
    assert by_name[JAM].raised_s == 100.0
    assert by_name[NOISE].shelved(201.0)
    assert [(event.name, event.what) for event in read_events(path, 2)] == [(JAM, "acknowledged"), (NOISE, "shelved")]


def test_alarm_is_new_when_it_comes_long_after_the_restart(tmp_path: Path) -> None:
    path = tmp_path / "alarms.sqlite"
    book = _book(jam="stands")
    book.acknowledge(JAM, "op", "", 101.0)
    _keep(path, book)
    again = AlarmBook(AlarmJournal(str(path), threaded=False).kept, 200.0)
    again.update({JAM: "stands"}, 201.0 + RETURN_S)
    assert not again.listing()[0].acknowledged


def test_damaged_journal_is_set_aside_when_it_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "alarms.sqlite"
    path.write_bytes(b"no database at all" * 100)
    journal = AlarmJournal(str(path), threaded=False)
    assert journal.kept == ()
    journal.close()
    assert (tmp_path / "alarms.damaged").read_bytes().startswith(b"no database")
