"""The belts under Stable-Baselines3 itself."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.train


def test_episodes_are_told_when_belts_run_under_stable_baselines() -> None:
    from sim.envs.sb3 import BeltVecEnv

    envs = BeltVecEnv("cell/BeltPick-v0", 4, duration_s=10.0, load=1.5)
    envs.seed(3)
    seen = envs.reset()
    assert seen.shape == (4, 17, 4)
    returns, ended = np.zeros(4), 0
    for _ in range(60):
        masks = envs.action_masks()
        assert np.array_equal(np.stack(envs.env_method("action_masks")), masks)
        seen, rewards, dones, infos = envs.step(masks.argmax(axis=1))
        returns += rewards
        for i in np.flatnonzero(dones):
            ended += 1
            assert infos[i]["terminal_observation"].shape == (17, 4)
            assert not np.array_equal(infos[i]["terminal_observation"], seen[i])
            assert infos[i]["TimeLimit.truncated"] is True
            assert infos[i]["episode"]["r"] == returns[i]
            assert infos[i]["episode"]["t"] >= 10.0
            returns[i] = 0.0
    assert ended > 4
    assert seen[0, 0, 3] < 1.0


def test_same_seed_gives_the_same_run_when_it_is_set_again() -> None:
    from sim.envs.sb3 import BeltVecEnv

    envs = BeltVecEnv("cell/BeltSpeed-v0", 2)
    runs = []
    for _ in range(2):
        envs.seed(5)
        seen = [envs.reset()]
        seen += [envs.step(np.array([[0, 2], [16, 4]]))[0] for _ in range(10)]
        runs.append(np.stack(seen))
    assert np.array_equal(runs[0], runs[1])


@pytest.mark.parametrize("name", ["cell/BeltPick-v0", "cell/BeltSort-v0"])
def test_maskable_ppo_picks_nothing_illegal_when_it_learns(name: str) -> None:
    from sb3_contrib import MaskablePPO

    from sim.envs.sb3 import BeltVecEnv

    envs = BeltVecEnv(name, 8, duration_s=20.0, load=1.5)
    envs.seed(1)
    model = MaskablePPO("MlpPolicy", envs, n_steps=32, batch_size=128, seed=1)
    model.learn(1024)
    assert len(model.ep_info_buffer) > 8
    seen = envs.reset()
    for _ in range(20):
        actions, _ = model.predict(seen, action_masks=envs.action_masks())
        seen, _, _, infos = envs.step(actions)
        assert not any(info["illegal"] for info in infos)
