"""``cell/BeltPick-v0``: which part next."""

from __future__ import annotations

from typing import Any

from sim.belt.world import BeltSetup
from sim.envs.base import PART, BeltEnv, BeltVectorEnv, Game, make_setup


class PickGame(Game):
    """Every pick pays the same."""

    components = (PART,)

    @staticmethod
    def setup(**keywords: Any) -> BeltSetup:
        return make_setup(keywords)


class BeltPickEnv(BeltEnv):
    """Which part the arm picks next from a moving belt, before the parts ride out of its window.

    A step is one decision: the arm is free at its drop point, meets the chosen part on the belt at the earliest, and
    brings it back; ``info["dt"]`` is how many seconds that took (semi-Markov: discount by ``gamma ** dt``). The belt
    goes on meanwhile. An episode is truncated at the first decision after ``duration_s``; it never terminates.

    Action, Discrete(slots + 1): the slot of a part, slot 0 the most downstream one; ``slots`` waits until the next part
    comes into sight, ``wait_s`` at most. ``info["action_mask"]`` (slots + 1) is True for the wait and for the parts
    that can still be met inside the window; ``argmax`` of the mask is FIFO. Any other action is illegal: it does as the
    wait does, and ``info["illegal"]`` says so.

    Observation, Box (1 + slots, 4) of float32. Row 0, the cell: parts on the belt / 64; belt speed, m/s; the bin at
    which the arm stands / 4; elapsed share of the episode. Row k + 1, the part in slot k, zeros for none: 1; its place
    from the camera (0) to the end of the window (1); its place across the belt (-1 to 1); how far it may still ride
    before the arm has to leave, over the same length as its place (-1 to 1; negative: too late). With
    ``cycle_column=True`` a fifth: the seconds until it would be in the bin / 5, at most 1, 0 if it is too late.
    All within 0 to 1, columns 2 and 3 of the parts within -1 to 1.

    Reward: 1 for a part in the bin, 0 else (``pay`` sets other values).

    Keywords: ``arm`` (delta, scara, telescope, or a ``policies.arms.Arm``), ``load`` (arrival rate x mean cycle; 1.3),
    ``arrivals`` (poisson, bursty, batch), ``belt_speed_mps`` (0.2), ``duration_s`` (600), ``slots`` (16, up to 64),
    ``slip_share`` (0), ``wait_s`` (0.2), ``cycle_column`` (False), ``backend``; all others of ``BeltSetup``.
    """

    game = PickGame


class BeltPickVectorEnv(BeltVectorEnv):
    """``BeltPickEnv`` n times in one call."""

    game = PickGame
