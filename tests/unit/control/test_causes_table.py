"""The one table of conditions and faults: whole, and free of contradictions."""

from __future__ import annotations

import pytest

from cell.causes import CONDITIONS, MATRIX, Fault, Reaction, Recovery, alarm_name, condition_of


def test_every_fault_of_the_matrix_has_a_row() -> None:
    assert set(MATRIX) == set(Fault)
    assert len(Fault) == 15


def test_rows_name_conditions_that_there_are() -> None:
    for row in MATRIX.values():
        assert set(row.noticed_by) <= set(CONDITIONS), row.fault


def test_reaction_of_a_fault_is_one_of_its_conditions() -> None:
    for row in MATRIX.values():
        if not row.noticed_by:
            assert row.reaction is Reaction.NONE
            continue
        reactions = {CONDITIONS[key].reaction for key in row.noticed_by}
        assert row.reaction in reactions, row.fault


def test_only_an_abort_or_a_lost_controller_asks_for_clear() -> None:
    for row in MATRIX.values():
        needs_clear = row.reaction is Reaction.ABORT or row.starts_aborted
        assert (row.recovery is Recovery.CLEAR) is needs_clear, row.fault
        assert row.reaction not in row.tolerated


@pytest.mark.parametrize("key", sorted(CONDITIONS))
def test_words_stand_in_both_languages_when_a_condition_is_named(key: str) -> None:
    condition = CONDITIONS[key]
    for language in ("en", "ko"):
        for text in (condition.words(language, "drive"), condition.advice(language, "drive")):
            assert text.strip() and "{" not in text
    hangul = [letter for letter in condition.words("ko", "") if "가" <= letter <= "힣"]
    assert hangul, "the Korean words are Korean"


def test_alarm_name_leads_back_to_its_condition() -> None:
    assert alarm_name("jam") == "jam"
    condition, subject = condition_of(alarm_name("device_lost", "drive"))
    assert condition is CONDITIONS["device_lost"]
    assert subject == "drive"
    assert condition_of("nonsense") == (None, "")
