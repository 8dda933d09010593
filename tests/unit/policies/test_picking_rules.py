from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.errors import InputError
from policies.registry import POLICIES, make
from policies.rendezvous import rendezvous
from policies.types import ArmModel, Candidate, View

VIEW = View(
    now_s=50.0,
    belt_speed_mps=0.2,
    tool_m=(0.60, 0.34),
    free_in_s=0.0,
    window_m=(0.35, 0.85),
    bins_m={"defect": (0.60, 0.34), "reject": (0.60, -0.34)},
    arm=ArmModel(max_accel_mps2=15.0, max_speed_mps=1.5, grip_s=0.3, release_s=0.2, overhead_s=0.05),
    candidates=(),
)


def _view(*parts: tuple[int, float, float]) -> View:
    return replace(VIEW, candidates=tuple(Candidate(part_id, x, y, "defect") for part_id, x, y in parts))


# Part 1 is furthest downstream, part 2 is nearest to the tool now, part 3 comes nearest while the arm is on its way.
PARTS = ((1, 0.74, -0.10), (2, 0.62, 0.11), (3, 0.52, 0.10))


def test_fifo_takes_the_most_downstream_part_when_several_are_in_reach() -> None:
    assert make("fifo").decide(_view(*PARTS)).part_id == 1


def test_fifo_passes_over_a_part_when_it_cannot_be_reached_any_more() -> None:
    assert make("fifo").decide(_view((9, 0.84, 0.0), *PARTS)).part_id == 1


def test_euclid_takes_the_part_nearest_to_the_tool_when_several_are_in_reach() -> None:
    assert make("euclid").decide(_view(*PARTS)).part_id == 2
    from_there = replace(_view(*PARTS), tool_m=(0.74, -0.2))
    assert make("euclid").decide(from_there).part_id == 1


def test_spt_takes_the_shortest_cycle_when_several_are_in_reach() -> None:
    assert make("spt").decide(_view(*PARTS)).part_id == 3


def test_spt_counts_the_wait_when_a_near_part_enters_the_window_late() -> None:
    assert make("spt").decide(_view((1, 0.05, 0.11), (2, 0.70, -0.11))).part_id == 2


@pytest.mark.parametrize("name", sorted(POLICIES.keys() - {"random"}))
def test_smaller_id_wins_when_parts_are_alike(name: str) -> None:
    view = _view((8, 0.5, 0.0), (3, 0.5, 0.0), (5, 0.5, 0.0))
    assert make(name).decide(view).part_id == 3


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_no_part_is_chosen_when_none_can_be_reached(name: str) -> None:
    decision = make(name).decide(_view((1, 0.84, 0.0), (2, 1.0, 0.0)))
    assert decision.part_id is None
    assert "2 parts" in decision.reason
    assert make(name).decide(VIEW).part_id is None


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_part_without_a_bin_is_never_chosen_when_others_are_not_there(name: str) -> None:
    view = replace(VIEW, candidates=(Candidate(1, 0.5, 0.0, "nowhere"),))
    assert make(name).decide(view).part_id is None


def test_reason_gives_the_measure_when_a_part_is_chosen() -> None:
    assert "x = 0.740 m" in make("fifo").decide(_view(*PARTS)).reason
    assert "cycle" in make("spt").decide(_view(*PARTS)).reason
    assert "nearest" in make("euclid").decide(_view(*PARTS)).reason


_PARTS = st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(-0.11, 0.11)), max_size=8)


@given(name=st.sampled_from(sorted(POLICIES)), parts=_PARTS, order=st.randoms(use_true_random=False))
def test_choice_is_feasible_and_does_not_depend_on_order_when_parts_lie_anywhere(
    name: str, parts: list[tuple[float, float]], order: object
) -> None:
    numbered = [(index + 1, x, y) for index, (x, y) in enumerate(parts)]
    decision = make(name).decide(_view(*numbered))
    can = {candidate.part_id for candidate in _view(*numbered).candidates if rendezvous(VIEW, candidate) is not None}
    assert (decision.part_id in can) if can else decision.part_id is None
    order.shuffle(numbered)  # type: ignore[attr-defined]
    assert make(name).decide(_view(*numbered)).part_id == decision.part_id


def test_name_is_that_of_the_registry_when_made() -> None:
    assert {name: make(name).name for name in POLICIES} == {name: name for name in POLICIES}
    assert {"random", "fifo", "lifo", "euclid", "spt", "spt_upstream", "dp"} <= set(POLICIES)


def test_known_policies_are_named_when_the_name_is_unknown() -> None:
    with pytest.raises(InputError, match="dp, euclid, fifo") as caught:
        make("lifo?")
    assert caught.value.key == "policy"
