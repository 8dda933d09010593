"""What a hand does for a pick, and what its statuses prove: two fingers, or a suction cup.

Pure: requests out, verdicts on statuses back. A status counts only where it is newer than the command that it is to
answer (``cell.pick_evidence``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from cell import pick_evidence as evidence
from cell.pick_evidence import GripCommand
from cell.pick_types import CupSettings, GripperRequest, GripperView, PickJob, SequenceSettings, SuctionRequest


class Grip(enum.Enum):
    """What a status says of a closing hand. LEAKS: a cup is on something and does not come to hold it."""

    WAITING = "waiting"
    HELD = "held"
    EMPTY = "empty"
    LEAKS = "leaks"


@dataclass(frozen=True, slots=True)
class Held:
    """What a verified grip found. ``wrong``: why it is not the part alone, empty where it is; ``double``: more than
    the part."""

    width_m: float | None
    pressure_pa: float | None
    wrong: str = ""
    double: bool = False


class Hand(Protocol):
    """One kind of hand.

    Attributes:
        settle_s: from the arrival over the part until it is told to close; negative where that may be earlier.
        empty_words, slipped_words: what a grip that took nothing, or lost it again at once, is called.
    """

    settle_s: float
    empty_words: str
    slipped_words: str

    def unfit(self, job: PickJob) -> str | None:
        """Why it cannot take a part, or None."""
        ...

    def opening(self, job: PickJob) -> GripperRequest | SuctionRequest:
        """What it is told before it comes down."""
        ...

    def is_open(self, view: GripperView, job: PickJob) -> bool:
        """It may come down on the part."""
        ...

    def opening_s(self, view: GripperView, job: PickJob, opening: GripCommand | None) -> float:
        """Until it may, with the delays of the command and of the answer."""
        ...

    def closing(self, job: PickJob) -> GripperRequest | SuctionRequest:
        """What it is told to take the part."""
        ...

    def grip(self, view: GripperView, closing: GripCommand) -> Grip:
        """What a status says after that."""
        ...

    def still_holds(self, view: GripperView) -> bool:
        """A grip found a moment ago is still one."""
        ...

    def held(self, view: GripperView, job: PickJob) -> Held:
        """What it holds, against what it should."""
        ...

    def lost(self, view: GripperView, closing: GripCommand, held: Held) -> bool:
        """What it held is gone."""
        ...

    def leaks(self, view: GripperView, closing: GripCommand, job: PickJob) -> str | None:
        """Why it may soon be, in words; None while the hold is as it should be."""
        ...

    def relaxed(self) -> SuctionRequest | None:
        """What it is told to go on holding with what is left."""
        ...

    def releasing(self, held: Held) -> GripperRequest | SuctionRequest:
        """What it is told over the bin."""
        ...

    def freed(self, view: GripperView, releasing: GripCommand, held: Held) -> bool:
        """It has let go, by its own measure."""
        ...

    def emptying(self) -> GripperRequest | SuctionRequest:
        """What it is told to let go of whatever it holds."""
        ...

    def emptied(self, view: GripperView, emptying: GripCommand) -> bool:
        """It has."""
        ...

    def emptying_s(self) -> float:
        """How long that takes beyond the usual release."""
        ...

    def parting(self) -> SuctionRequest | None:
        """What it is told before it leaves a part that it could not take."""
        ...


class Fingers:
    """Two fingers: open wider than the part, close on its short side, judged by width and motor current."""

    empty_words = "nothing between the fingers"
    slipped_words = "the part slipped out of the fingers"

    def __init__(self, settings: SequenceSettings) -> None:
        self._settings = settings
        self.settle_s = settings.settle_s

    def unfit(self, job: PickJob) -> str | None:
        if _widest_m(job) + self._settings.least_clearance_m > self._settings.stroke_m:
            return f"a part of {_widest_m(job) * 1e3:.0f} mm is too wide for the gripper"
        return None

    def opening(self, job: PickJob) -> GripperRequest:
        return self._request(_widest_m(job) + self._settings.clearance_m, job)

    def is_open(self, view: GripperView, job: PickJob) -> bool:
        return evidence.is_open(self._settings, view, _widest_m(job))

    def opening_s(self, view: GripperView, job: PickJob, opening: GripCommand | None) -> float:
        if opening is None or self.is_open(view, job):
            return 0.0
        way_m = max(opening.width_m - view.width_m, 0.0)
        return way_m / self._settings.gripper_speed_mps + self._settings.gripper_delay_s

    def closing(self, job: PickJob) -> GripperRequest:
        # Not fully shut: an empty grip ends soon, and a held part still stops the fingers well before.
        narrowest_m = min(job.width_m, job.grip_width_m)
        return self._request(max(narrowest_m - self._settings.squeeze_m, 0.0), job)

    def grip(self, view: GripperView, closing: GripCommand) -> Grip:
        if not evidence.answers(self._settings, view, closing) or view.moving:
            return Grip.WAITING
        if view.object_detected:
            return Grip.HELD if view.current_a >= self._settings.grip_current_a else Grip.WAITING
        return Grip.EMPTY if view.at_request else Grip.WAITING

    def still_holds(self, view: GripperView) -> bool:
        return view.object_detected

    def held(self, view: GripperView, job: PickJob) -> Held:
        should_m, tolerance_m = job.grip_width_m, job.recipe.width_tolerance_m
        off_m = view.width_m - should_m
        if abs(off_m) <= (self._settings.width_tolerance_m if tolerance_m is None else tolerance_m):
            return Held(view.width_m, None)
        what = "double pick" if off_m > 0.0 else "not the part"
        words = f"{what}: grip {view.width_m * 1e3:.0f} mm, part {should_m * 1e3:.0f} mm"
        return Held(view.width_m, None, words, double=off_m > 0.0)

    def lost(self, view: GripperView, closing: GripCommand, held: Held) -> bool:
        return evidence.lost(self._settings, view, closing, held.width_m or 0.0)

    def leaks(self, view: GripperView, closing: GripCommand, job: PickJob) -> str | None:
        return None

    def relaxed(self) -> None:
        return None

    def releasing(self, held: Held) -> GripperRequest:
        width_m = (held.width_m or 0.0) + self._settings.release_m
        return self._request(width_m, None)

    def freed(self, view: GripperView, releasing: GripCommand, held: Held) -> bool:
        if not evidence.answers(self._settings, view, releasing):
            return False
        wide = view.width_m >= (held.width_m or 0.0) + self._settings.freed_m
        return wide or (view.at_request and not view.moving)

    def emptying(self) -> GripperRequest:
        return self._request(self._settings.stroke_m, None)

    def emptied(self, view: GripperView, emptying: GripCommand) -> bool:
        return evidence.answers(self._settings, view, emptying) and view.at_request and not view.moving

    def emptying_s(self) -> float:
        return self._settings.stroke_m / self._settings.gripper_speed_mps

    def parting(self) -> None:
        return None

    def _request(self, width_m: float, job: PickJob | None) -> GripperRequest:
        force_n = None if job is None else job.recipe.force_n
        return GripperRequest(
            min(width_m, self._settings.stroke_m),
            self._settings.gripper_speed_mps,
            self._settings.gripper_force_n if force_n is None else force_n,
        )


class Cup:
    """A suction cup: judged by its pressure. It cannot tell one part from two."""

    empty_words = "nothing under the cup"
    slipped_words = "the part came off the cup"

    def __init__(self, settings: SequenceSettings, cup: CupSettings) -> None:
        self._settings = settings
        self._cup = cup
        self.settle_s = -cup.early_s

    def unfit(self, job: PickJob) -> str | None:
        return None

    def opening(self, job: PickJob) -> SuctionRequest:
        return self._let_go()

    def is_open(self, view: GripperView, job: PickJob) -> bool:
        return view.requested_width_m == 1.0

    def opening_s(self, view: GripperView, job: PickJob, opening: GripCommand | None) -> float:
        return 0.0 if self.is_open(view, job) else self._settings.gripper_delay_s

    def closing(self, job: PickJob) -> SuctionRequest:
        wanted_pa = job.recipe.hold_pressure_pa
        return SuctionRequest(True, self._cup.hold_pressure_pa if wanted_pa is None else wanted_pa)

    def grip(self, view: GripperView, closing: GripCommand) -> Grip:
        if not evidence.answers(self._settings, view, closing):
            return Grip.WAITING
        if view.object_detected:
            return Grip.HELD
        late = view.at_request or view.stamp_s >= closing.at_s + self._cup.grip_s
        if not late:
            return Grip.WAITING
        return Grip.LEAKS if _pressure_pa(view) <= self._cup.sealed_pressure_pa else Grip.EMPTY

    def still_holds(self, view: GripperView) -> bool:
        return view.object_detected

    def held(self, view: GripperView, job: PickJob) -> Held:
        return Held(None, view.pressure_pa)

    def lost(self, view: GripperView, closing: GripCommand, held: Held) -> bool:
        if not evidence.answers(self._settings, view, closing):
            return False
        gone = view.at_request and not view.object_detected
        return gone or _pressure_pa(view) >= self._cup.lost_pressure_pa

    def leaks(self, view: GripperView, closing: GripCommand, job: PickJob) -> str | None:
        if not evidence.answers(self._settings, view, closing) or view.object_detected:
            return None
        # Where the pump takes up again, the pressure is a little above what it holds at.
        if _pressure_pa(view) < self.closing(job).hold_pressure_pa + self._cup.swing_pa:
            return None
        return f"the cup leaks: {_pressure_pa(view) / 1e3:.0f} kPa with a part on it"

    def relaxed(self) -> SuctionRequest:
        return SuctionRequest(True, self._cup.keep_pressure_pa)

    def releasing(self, held: Held) -> SuctionRequest:
        return self._let_go()

    def freed(self, view: GripperView, releasing: GripCommand, held: Held) -> bool:
        answered = evidence.answers(self._settings, view, releasing)
        return answered and _pressure_pa(view) >= self._cup.lost_pressure_pa

    def emptying(self) -> SuctionRequest:
        return self._let_go()

    def emptied(self, view: GripperView, emptying: GripCommand) -> bool:
        return self.freed(view, emptying, Held(None, None))

    def emptying_s(self) -> float:
        return 0.0

    def parting(self) -> SuctionRequest:
        return self._let_go()

    def _let_go(self) -> SuctionRequest:
        return SuctionRequest(False, self._cup.hold_pressure_pa)


def hand_of(settings: SequenceSettings) -> Hand:
    """The hand that the settings describe."""
    return Fingers(settings) if settings.cup is None else Cup(settings, settings.cup)


def _widest_m(job: PickJob) -> float:
    return max(job.width_m, job.grip_width_m)


def _pressure_pa(view: GripperView) -> float:
    return 0.0 if view.pressure_pa is None else view.pressure_pa
