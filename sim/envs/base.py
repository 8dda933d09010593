"""What the belt environments have in common: spaces, masks, seeds, the three ways to begin anew."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from perception.errors import InputError
from policies.arms import Belt as PickBelt
from sim.belt import layout as at
from sim.belt.engine import Belts, State
from sim.belt.layout import Flags, Floats, Out, Singles
from sim.belt.world import BeltSetup

MODES: Final = {
    AutoresetMode.NEXT_STEP: at.NEXT_STEP,
    AutoresetMode.SAME_STEP: at.SAME_STEP,
    AutoresetMode.DISABLED: at.DISABLED,
}
BELTS_PER_CORE: Final = 512
PART: Final = 0
BIN: Final = 1
SPEED: Final = 2

Space = spaces.Space[Any]


class Game:
    """One kind of environment: how its keywords make a belt, and which of (part, bin, speed) an action names."""

    components: ClassVar[tuple[int, ...]] = (PART,)

    @staticmethod
    def setup(**keywords: Any) -> BeltSetup:
        """The belt of these keywords.

        Raises:
            InputError: an unknown keyword, or an impossible value.
        """
        return make_setup(keywords)

    @classmethod
    def counts(cls, belts: Belts) -> list[int]:
        """How many values each component of an action has."""
        sizes = belts.world.sizes
        every = (int(sizes[at.SLOTS]) + 1, int(sizes[at.BINS]), int(sizes[at.SPEEDS]))
        return [every[component] for component in cls.components]


def make_setup(keywords: dict[str, Any], **defaults: Any) -> BeltSetup:
    """A belt from keywords over defaults; ``belt_speed_mps`` stands for the speed within ``belt``.

    Raises:
        InputError: an unknown keyword, or an impossible value.
    """
    values = {**defaults, **keywords}
    known = [field.name for field in dataclasses.fields(BeltSetup)]
    for name in keywords:
        if name not in known and name != "belt_speed_mps":
            raise InputError(f"is not known; there is belt_speed_mps, {', '.join(known)}", key=name)
    if "belt_speed_mps" in values:
        belt = values.pop("belt_speed_mps"), values.get("belt", PickBelt())
        if isinstance(belt[0], bool) or not isinstance(belt[0], int | float):
            raise InputError(f"must be a number, not {belt[0]!r}", key="belt_speed_mps")
        values["belt"] = dataclasses.replace(belt[1], speed_mps=float(belt[0]))
    return BeltSetup(**values)


def action_space(counts: Sequence[int]) -> Space:
    """Discrete for one component, MultiDiscrete for more."""
    return spaces.Discrete(counts[0]) if len(counts) == 1 else spaces.MultiDiscrete(list(counts))


def observation_space(belts: Belts) -> Space:
    """Row 0 is the cell, row k + 1 the part in slot k."""
    rows, columns = belts.out.observation.shape[1:]
    low = np.zeros((rows, columns), dtype=np.float32)
    low[1:, 2:4] = -1.0
    return spaces.Box(low, np.ones((rows, columns), dtype=np.float32), dtype=np.float32)


class BeltEnv(gymnasium.Env[Singles, Any]):
    """One belt. ``sim.envs.pick``, ``sort`` and ``speed`` say what is observed, done and paid.

    Args:
        render_mode: None; there is nothing to see.
        backend: ``numba``, ``numpy`` or None for the faster one that is installed.
        keywords: fields of ``sim.belt.world.BeltSetup``, or what the environment's own docstring names.

    Raises:
        InputError: an unknown keyword, or an impossible value.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own declaration)
    game: ClassVar[type[Game]] = Game

    def __init__(self, *, render_mode: str | None = None, backend: str | None = None, **keywords: Any) -> None:
        _no_rendering(render_mode)
        self.render_mode = render_mode
        self.belts = Belts(self.game.setup(**keywords), 1, backend=backend)
        self._counts = self.game.counts(self.belts)
        self._columns = self.game.components
        self.action_space = action_space(self._counts)
        self.observation_space = observation_space(self.belts)
        self._mask_shape = _mask_shape(self._counts)
        self._flat = _flat(self._counts, self._mask_shape)
        self._discrete = len(self._counts) == 1
        out = self.belts.out
        self._action, self._observation = self.belts.actions[0], out.observation[0]
        self._mask = out.mask[0].reshape(self._mask_shape)
        self._reward, self._dt, self._truncated, self._illegal = out.reward, out.dt, out.truncated, out.illegal
        self._running = False
        self._seeded = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Singles, dict[str, Any]]:
        """Begin the first episode of a seed, or the next episode of the seed before."""
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**63))
        self._seeded = True
        self.belts.seed([seed])
        self.belts.reset()
        self._running = True
        return self._observation.copy(), {"dt": 0.0, "action_mask": self._mask.copy(), "illegal": False}

    def step(self, action: Any) -> tuple[Singles, float, bool, bool, dict[str, Any]]:
        """One decision.

        Raises:
            ResetNeeded: before the first reset, or after the end of an episode.
        """
        if not self._running:
            raise ResetNeeded("call reset() before step(): the episode has ended, or none has begun")
        if self._discrete:
            self._action[0] = action
        else:
            for value, column in zip(action, self._columns, strict=True):
                self._action[column] = value
        self.belts.step(at.DISABLED)
        truncated = self._truncated.item()
        self._running = not truncated
        return (
            self._observation.copy(),
            self._reward.item(),
            False,
            truncated,
            {"dt": self._dt.item(), "action_mask": self._mask.copy(), "illegal": self._illegal.item()},
        )

    def action_masks(self) -> Flags:
        """What can be done now, in the flat form of sb3-contrib: the components one behind the other."""
        flat: Flags = self._mask.reshape(-1)[self._flat]
        return flat

    def save_state(self) -> State:
        """Everything that can change; ``restore_state`` of any environment of the same setup goes on from there."""
        return self.belts.save()

    def restore_state(self, state: State) -> tuple[Singles, dict[str, Any]]:
        """Go on from a saved state: its observation and info.

        Raises:
            InputError: it is the state of other belts.
        """
        self.belts.restore(state)
        self._seeded = True
        self._running = self.belts.rows.whole[0, at.DONE] == 0 and self.belts.rows.whole[0, at.EPISODE] > 0
        return self._observation.copy(), {"dt": 0.0, "action_mask": self._mask.copy(), "illegal": False}

    def close(self) -> None:
        """Nothing is held open."""
        self.belts.close()


class BeltVectorEnv(VectorEnv[Singles, Any, Any]):
    """n belts in one call. Belt i of seed s is ``BeltEnv`` of seed s + i, step for step.

    Args:
        num_envs: how many belts.
        autoreset_mode: when an episode that has ended begins anew: ``NEXT_STEP`` (the step after the last one begins
            it, whatever its action), ``SAME_STEP`` (the last step returns the new episode's observation, and the old
            one's in ``info["final_obs"]``), ``DISABLED`` (``reset(options={"reset_mask": ...})`` does).
        threads: between which the belts are shared out; None: a core for every 512 of them.
        copy: give away new arrays in every step; without, the next step overwrites them.

    Raises:
        InputError: an unknown keyword, or an impossible value.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012
    game: ClassVar[type[Game]] = Game

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        threads: int | None = None,
        copy: bool = True,
        render_mode: str | None = None,
        backend: str | None = None,
        **keywords: Any,
    ) -> None:
        _no_rendering(render_mode)
        try:
            self._mode = AutoresetMode(autoreset_mode)
        except ValueError:
            known = ", ".join(mode.value for mode in AutoresetMode)
            raise InputError(f"must be one of {known}, not {autoreset_mode!r}", key="autoreset_mode") from None
        self.metadata = {**self.metadata, "autoreset_mode": self._mode}
        self.num_envs = num_envs
        if threads is None:
            threads = max(1, min(len(os.sched_getaffinity(0)), num_envs // BELTS_PER_CORE))
        self.belts = Belts(self.game.setup(**keywords), num_envs, backend=backend, threads=threads)
        self._counts = self.game.counts(self.belts)
        self._columns = list(self.game.components)
        self.single_action_space = action_space(self._counts)
        self.single_observation_space = observation_space(self.belts)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._mask_shape = (num_envs, *_mask_shape(self._counts))
        self._flat = _flat(self._counts, self._mask_shape[1:])
        self._copy = copy
        self._over = np.zeros(num_envs, dtype=np.bool_)
        self._running = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Singles, dict[str, Any]]:
        """Begin the first episode of each seed (an int: seed, seed + 1, ...), or the next one of the seeds before.

        Raises:
            InputError: the number of seeds or the mask does not fit.
        """
        first = seed if isinstance(seed, int) else None
        super().reset(seed=first)
        chosen = _reset_mask(options, self.num_envs)
        if isinstance(seed, int | np.integer):
            seeds: list[int | None] = [int(seed) + i for i in range(self.num_envs)]
        elif seed is None and not self._running:
            seeds = self.np_random.integers(2**63, size=self.num_envs).tolist()
        else:
            seeds = [None] * self.num_envs if seed is None else list(seed)
        if len(seeds) != self.num_envs:
            raise InputError(f"must be one for each of {self.num_envs} environments, not {len(seeds)}", key="seed")
        self.belts.seed(seeds, chosen)
        self._renew()
        self._over = np.zeros_like(self._over) if chosen is None else self._over & ~chosen
        out = self.belts.reset(chosen)
        out.illegal[:] = False
        if chosen is not None:
            out.dt[:] = 0.0
        self._running = True
        return out.observation, self._info(out)

    def step(self, actions: Any) -> tuple[Singles, Floats, Flags, Flags, dict[str, Any]]:
        """One decision on every belt.

        Raises:
            ResetNeeded: before the first reset, or an ended episode was not reset (``DISABLED``).
            InputError: the actions have another shape or are no whole numbers.
        """
        if not self._running:
            raise ResetNeeded("call reset() before step()")
        if self._mode is AutoresetMode.DISABLED and self._over.any():
            over = np.flatnonzero(self._over).tolist()
            raise ResetNeeded(f"environments {over} have ended: reset them by reset_mask")
        actions = np.asarray(actions)
        if actions.shape != self.action_space.shape or actions.dtype.kind not in "iu":
            raise InputError(
                f"must be whole numbers of shape {self.action_space.shape}, not {actions.dtype} {actions.shape}",
                key="actions",
            )
        if len(self._columns) == 1:
            self.belts.actions[:, self._columns[0]] = actions
        else:
            self.belts.actions[:, self._columns] = actions
        self._renew()
        out = self.belts.step(MODES[self._mode])
        self._over = out.truncated.copy()
        info = self._info(out)
        if self._mode is AutoresetMode.SAME_STEP and out.truncated.any():
            self._add_final(info, out)
        terminated = np.zeros(self.num_envs, dtype=np.bool_)
        return out.observation, out.reward, terminated, out.truncated, info

    def action_masks(self) -> Flags:
        """What can be done now, (n, all actions) in the flat form of sb3-contrib."""
        flat: Flags = self.belts.out.mask[:, self._flat]
        return flat

    def save_state(self) -> State:
        """Everything that can change; ``restore_state`` goes on from there."""
        return self.belts.save()

    def restore_state(self, state: State) -> tuple[Singles, dict[str, Any]]:
        """Go on from a saved state: its observation and info.

        Raises:
            InputError: it is the state of other belts.
        """
        self._renew()
        out = self.belts.restore(state)
        out.dt[:], out.illegal[:] = 0.0, False
        self._over = self.belts.rows.whole[:, at.DONE] == 1
        self._running = True
        return out.observation, self._info(out)

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads."""
        self.belts.close()

    def _renew(self) -> None:
        if self._copy:
            self.belts.out = self.belts.fresh()

    def _info(self, out: Out) -> dict[str, Any]:
        return {"dt": out.dt, "action_mask": out.mask.reshape(self._mask_shape), "illegal": out.illegal}

    def _add_final(self, info: dict[str, Any], out: Out) -> None:
        over = out.truncated
        final = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(over):
            final[i] = out.final_observation[i].copy()
        inside = over.copy()
        masks = np.where(over[:, None], out.final_mask, False).reshape(self._mask_shape)
        info |= {
            "final_obs": final,
            "_final_obs": inside,
            "final_info": {
                "dt": np.where(over, out.final_dt, 0.0),
                "_dt": inside,
                "action_mask": masks,
                "_action_mask": inside,
                "illegal": over & out.final_illegal,
                "_illegal": inside,
            },
            "_final_info": inside,
        }


def _mask_shape(counts: Sequence[int]) -> tuple[int, ...]:
    return (counts[0],) if len(counts) == 1 else (len(counts), max(counts))


def _flat(counts: Sequence[int], shape: tuple[int, ...]) -> at.Wholes:
    """Where the flat mask's values lie in the padded one."""
    width = shape[-1]
    return np.concatenate([row * width + np.arange(count) for row, count in enumerate(counts)])


def _reset_mask(options: dict[str, Any] | None, n: int) -> Flags | None:
    mask = (options or {}).get("reset_mask")
    if mask is None:
        return None
    if not isinstance(mask, np.ndarray) or mask.shape != (n,) or mask.dtype != np.bool_:
        raise InputError(f"must be an array of {n} booleans", key="reset_mask")
    if not mask.any():
        raise InputError("must choose one environment at least", key="reset_mask")
    return mask


def _no_rendering(mode: str | None) -> None:
    if mode is not None:
        raise InputError(f"must be None, not {mode!r}: these environments have no picture", key="render_mode")
