"""The belts for Stable-Baselines3, which takes no Gymnasium vector environment (DLR-RM/stable-baselines3#1568).

``BeltVecEnv`` is a ``VecEnv`` over the native vector; sb3-contrib's ``MaskablePPO`` finds its ``action_masks``. Steps
differ in length: ``infos[i]["dt"]`` is there for who discounts by time; Stable-Baselines3 itself discounts by steps.

Raises:
    ImportError: Stable-Baselines3 is not installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from sim.belt.layout import Flags
from sim.envs.base import BeltVectorEnv

if importlib.util.find_spec("stable_baselines3") is None:
    raise ImportError("the adapter needs Stable-Baselines3: pip install stable-baselines3 sb3-contrib")

from stable_baselines3.common.vec_env import VecEnv


class BeltVecEnv(VecEnv):  # type: ignore[misc, unused-ignore]
    """n belts as Stable-Baselines3 wants them: a done environment begins anew at once, its last observation is in
    ``infos[i]["terminal_observation"]``, and ``infos[i]["TimeLimit.truncated"]`` says that it did not terminate.

    Args:
        name: of the environment, ``cell/BeltPick-v0`` for one.
        num_envs: how many belts.
        keywords: of the environment, and ``threads``.
    """

    def __init__(self, name: str, num_envs: int, **keywords: Any) -> None:
        made = gymnasium.make_vec(f"sim:{name}", num_envs, autoreset_mode=AutoresetMode.SAME_STEP, **keywords)
        assert isinstance(made, BeltVectorEnv)
        self.belts = made
        self._actions: Any = None
        self._returns = np.zeros(num_envs)
        self._seconds = np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, dtype=np.int64)
        super().__init__(num_envs, made.single_observation_space, made.single_action_space)

    def reset(self) -> Any:
        """Begin an episode on every belt, with the seeds of ``seed`` if there are any."""
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        observations, infos = self.belts.reset(seed=seeds)
        for totals in (self._returns, self._seconds, self._lengths):
            totals[:] = 0
        self.reset_infos = self._split(infos)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: Any) -> None:
        """Take down what ``step_wait`` does."""
        self._actions = actions

    def step_wait(self) -> Any:
        """(observations, rewards, dones, infos); an episode that ended has its sums in ``infos[i]["episode"]``."""
        observations, rewards, _, truncated, infos = self.belts.step(self._actions)
        dt = np.where(truncated, infos["final_info"]["dt"], infos["dt"]) if truncated.any() else infos["dt"]
        self._returns += rewards
        self._seconds += dt
        self._lengths += 1
        split = self._split({**infos, "dt": dt})
        for i in np.flatnonzero(truncated):
            split[i] |= {
                "terminal_observation": infos["final_obs"][i],
                "TimeLimit.truncated": True,
                "episode": {"r": self._returns[i].item(), "l": self._lengths[i].item(), "t": self._seconds[i].item()},
            }
            self._returns[i], self._seconds[i], self._lengths[i] = 0.0, 0.0, 0
        return observations, rewards.astype(np.float32), truncated.copy(), split

    def action_masks(self) -> Flags:
        """What can be done now, (n, all actions)."""
        return self.belts.action_masks()

    def close(self) -> None:
        """End the threads."""
        self.belts.close()

    def has_attr(self, attr_name: str) -> bool:
        """Whether the belts have it (``action_masks``, for one)."""
        return hasattr(self, attr_name) or hasattr(self.belts, attr_name)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The belts' attribute, once for each index."""
        value = None if attr_name == "render_mode" else getattr(self.belts, attr_name)
        return [value for _ in self._chosen(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: the belts share everything but their state."""
        raise AttributeError(f"{attr_name} cannot be set: the belts share it")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """``action_masks`` of the chosen belts; there is no other method of a single one."""
        if method_name != "action_masks":
            raise AttributeError(f"a belt of many has no method {method_name}")
        masks = self.action_masks()
        return [masks[i] for i in self._chosen(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """None is wrapped."""
        return [False for _ in self._chosen(indices)]

    def get_images(self) -> Sequence[Any]:
        """None: these environments have no picture."""
        return [None] * self.num_envs

    def _chosen(self, indices: int | Iterable[int] | None) -> list[int]:
        return [int(i) for i in self._get_indices(indices)]

    def _split(self, infos: dict[str, Any]) -> list[dict[str, Any]]:
        """A dictionary for each belt."""
        rows = zip(infos["dt"].tolist(), infos["illegal"].tolist(), strict=True)
        return [{"dt": dt, "illegal": illegal} for dt, illegal in rows]
