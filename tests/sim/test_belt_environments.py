"""The belt environments as Gymnasium sees them."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import sim
from perception.errors import InputError

assert sim

NAMES = ("cell/BeltPick-v0", "cell/BeltSort-v0", "cell/BeltSpeed-v0")
SHORT: dict[str, Any] = {"duration_s": 6.0, "load": 1.6, "slots": 5}


def masked(space: Any, mask: np.ndarray, rng: np.random.Generator) -> Any:
    """A random legal action of one environment."""
    values = [rng.choice(np.flatnonzero(row)) for row in np.atleast_2d(mask)]
    return int(values[0]) if space.shape == () else np.array(values)


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_s_checker_is_content_when_it_looks(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(name).unwrapped)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("name", NAMES)
def test_vector_is_what_single_environments_are_when_stepped_alike(name: str, mode: AutoresetMode) -> None:
    ours = gymnasium.make_vec(name, num_envs=4, autoreset_mode=mode, **SHORT)
    theirs = SyncVectorEnv([lambda: gymnasium.make(name, **SHORT)] * 4, autoreset_mode=mode)
    assert ours.metadata["autoreset_mode"] is mode
    assert ours.single_action_space == theirs.single_action_space
    assert ours.observation_space == theirs.observation_space
    rng = np.random.default_rng(11)
    seen, info = ours.reset(seed=5)
    other, other_info = theirs.reset(seed=5)
    ends = 0
    for _ in range(60):
        assert np.array_equal(seen, other)
        assert seen in ours.observation_space
        for key in ("action_mask", "dt", "illegal"):
            assert np.array_equal(info[key], other_info[key]), key
        assert ours.action_masks().shape == (4, theirs.envs[0].unwrapped.action_masks().size)
        single = [env.unwrapped.action_masks() for env in theirs.envs]
        if mode is not AutoresetMode.SAME_STEP:
            assert np.array_equal(ours.action_masks(), np.stack(single))
        actions = np.stack([masked(ours.single_action_space, mask, rng) for mask in info["action_mask"]])
        if rng.random() < 0.2:
            actions = ours.action_space.sample()
        seen, reward, terminated, truncated, info = ours.step(actions)
        other, other_reward, _, other_truncated, other_info = theirs.step(actions)
        assert np.array_equal(reward, other_reward)
        assert np.array_equal(truncated, other_truncated)
        assert not terminated.any()
        ends += int(truncated.sum())
        if mode is AutoresetMode.SAME_STEP and truncated.any():
            for final, theirs_final in zip(info["final_obs"], other_info["final_obs"], strict=True):
                assert (final is None) == (theirs_final is None)
                assert final is None or np.array_equal(final, theirs_final)
            for key in ("dt", "action_mask", "illegal"):
                assert np.array_equal(info["final_info"][key], other_info["final_info"][key])
        if mode is AutoresetMode.DISABLED and truncated.any():
            with pytest.raises(ResetNeeded):
                ours.step(actions)
            seen, info = ours.reset(options={"reset_mask": truncated})
            # Gymnasium's own tells nothing of those that were not reset.
            other, _ = theirs.reset(options={"reset_mask": truncated})
            other_info = info
    assert ends > 4
    ours.close()


def test_trajectory_of_a_seed_is_the_same_when_there_are_more_environments() -> None:
    runs = []
    for number, threads, copy in ((3, 1, True), (200, 2, False)):
        envs = gymnasium.make_vec(NAMES[0], num_envs=number, threads=threads, copy=copy, **SHORT)
        rewards = []
        _, info = envs.reset(seed=40)
        for _ in range(50):
            _, reward, _, _, info = envs.step(np.argmax(info["action_mask"], axis=1))
            rewards.append(reward[:3].copy())
        runs.append(np.array(rewards))
        envs.close()
    assert np.array_equal(runs[0], runs[1])
    assert len({tuple(column) for column in runs[0].T}) == 3


def test_what_was_returned_stays_when_the_next_step_is_made() -> None:
    envs = gymnasium.make_vec(NAMES[0], num_envs=2)
    seen, info = envs.reset(seed=1)
    kept = seen.copy(), info["action_mask"].copy()
    envs.step(np.array([0, 0]))
    assert np.array_equal(seen, kept[0])
    assert np.array_equal(info["action_mask"], kept[1])


@pytest.mark.parametrize("name", NAMES)
def test_illegal_action_waits_when_it_is_taken(name: str) -> None:
    env = gymnasium.make(name, slots=4, load=0.2)
    env.reset(seed=2)
    before = env.unwrapped.save_state()
    for part in (3, 99, -1, 4):
        env.unwrapped.restore_state(before)
        action = part if env.action_space.shape == () else np.array([part, 2 if "Speed" in name else 0])
        _, reward, _, _, info = env.step(action)
        assert info["illegal"] is (part != 4)
        assert reward == 0.0
        assert 0.0 < info["dt"] <= 0.2
        assert env.unwrapped.belts.counters()["picked"][0] == 0


def test_legal_pick_pays_and_takes_the_arm_s_time_when_it_is_made() -> None:
    env = gymnasium.make(NAMES[0], load=0.5, arm="delta", cycle_column=True)
    seen, info = env.reset(seed=3)
    assert info["action_mask"].tolist() == [True] + [False] * 15 + [True]
    told = float(seen[1, 4]) * 5.0
    _, reward, _, _, info = env.step(0)
    assert reward == 1.0
    assert info["dt"] == pytest.approx(told, rel=1e-5)
    assert 4.0 < info["dt"] < 5.0  # 0.8 m at 0.2 m/s to the window, and back to the bin


@pytest.mark.parametrize("vector", [False, True])
def test_run_goes_on_alike_when_its_state_is_restored(vector: bool) -> None:
    env = gymnasium.make_vec(NAMES[1], num_envs=3, load=2.0) if vector else gymnasium.make(NAMES[1], load=2.0).unwrapped
    env.reset(seed=8)
    env.action_space.seed(1)
    actions = [env.action_space.sample() for _ in range(12)]
    env.step(actions[0])
    kept = env.save_state()
    runs = []
    for _ in range(2):
        seen, info = env.restore_state(kept)
        steps = [(seen, info["action_mask"])]
        for action in actions[1:6]:
            seen, reward, _, _, info = env.step(action)
            steps.append((seen, reward, info["action_mask"], info["dt"]))
        runs.append(steps)
    for first, second in zip(*runs, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_missed_defects_cost_more_than_false_rejects_when_sorting() -> None:
    envs = gymnasium.make_vec(NAMES[1], num_envs=32, load=1.0, auroc=0.95, duration_s=1e6)
    totals = {}
    for name in ("wait", "reject all", "reject doubtful", "recheck doubtful"):
        seen, info = envs.reset(seed=1)
        total = 0.0
        for _ in range(300):
            doubtful = seen[:, 1:, 4] > 0.3
            parts = info["action_mask"][:, 0, :16]
            if name.endswith("doubtful"):
                parts = parts & doubtful
            part = np.where(parts.any(axis=1) & (name != "wait"), np.argmax(parts, axis=1), 16)
            into = np.full_like(part, int(name.startswith("recheck")))
            seen, reward, _, _, info = envs.step(np.stack([part, into], axis=1))
            total += reward.sum()
        totals[name] = total / envs.belts.time_s.sum()
    counters = envs.belts.counters()
    assert (counters["escaped"] <= counters["left"]).all()
    assert totals["wait"] < totals["reject all"] < totals["reject doubtful"]
    assert totals["wait"] < totals["recheck doubtful"]


def test_belt_brings_more_and_misses_more_when_it_runs_faster() -> None:
    counts = []
    for speed in (0, 6):
        envs = gymnasium.make_vec(NAMES[2], num_envs=16, load=1.0, duration_s=1e6)
        _, info = envs.reset(seed=1)
        assert info["action_mask"].shape == (16, 2, 17)
        assert not info["action_mask"][:, 1, 7:].any()
        for _ in range(300):
            part = np.argmax(info["action_mask"][:, 0], axis=1)
            _, _, _, _, info = envs.step(np.stack([part, np.full(16, speed)], axis=1))
        count = envs.belts.counters()
        counts.append([count[name].sum() / envs.belts.time_s.sum() for name in ("entered", "picked", "left")])
    assert counts[1][0] > 4.0 * counts[0][0]
    assert counts[1][2] > 10.0 * max(counts[0][2], 0.01)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"belt_speed_mps": -0.2}, "belt.speed_mps"),
        ({"colour": "red"}, "colour"),
        ({"load": "much"}, "load"),
        ({"render_mode": "human"}, "render_mode"),
        ({"backend": "jax"}, "backend"),
    ],
)
def test_environment_is_refused_when_a_keyword_is_wrong(keywords: dict[str, Any], words: str) -> None:
    from sim.envs.pick import BeltPickEnv

    with pytest.raises(InputError, match=words):
        BeltPickEnv(**keywords)


def test_wrong_calls_are_refused_when_they_are_made() -> None:
    envs = gymnasium.make_vec(NAMES[0], num_envs=3)
    with pytest.raises(ResetNeeded):
        envs.step(np.zeros(3, dtype=int))
    with pytest.raises(InputError, match="seed"):
        envs.reset(seed=[1, 2])
    envs.reset(seed=[1, None, 2])
    with pytest.raises(InputError, match="actions"):
        envs.step(np.zeros(4, dtype=int))
    with pytest.raises(InputError, match="actions"):
        envs.step(np.full(3, np.nan))
    with pytest.raises(InputError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.zeros(3, dtype=bool)})
    with pytest.raises(InputError, match="autoreset_mode"):
        gymnasium.make_vec(NAMES[0], num_envs=3, autoreset_mode="Never")
    single = gymnasium.make(NAMES[0])
    with pytest.raises(ResetNeeded):
        single.step(0)


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "imports",
    [
        "import sim, gymnasium as g; g.make('cell/BeltPick-v0')",
        "import sim, sim.envs\nimport gymnasium as g; g.make('cell/BeltPick-v0')",
        "import gymnasium as g, sim; g.make('cell/BeltSort-v0')",
        "import gymnasium as g; g.make('sim:cell/BeltSpeed-v0')",
        "import gymnasium as g, sim; g.register_envs(sim); g.make('cell/BeltPick-v0', backend='numpy')",
    ],
)
def test_environments_are_registered_when_sim_is_imported(imports: str) -> None:
    assert run(f"{imports}; print('made', g.__spec__.loader.__class__.__module__)").split()[0] == "made"


def test_sim_can_be_imported_when_neither_gymnasium_nor_numba_is_there() -> None:
    hide = "import sys; sys.modules['gymnasium'] = sys.modules['numba'] = None\n"
    program = """
import sim, sim.belt.engine as engine, sim.belt.world as world
assert 'gymnasium' not in [n for n, m in sys.modules.items() if m]
try:
    import sim.envs
except ImportError as error:
    print(error)
"""
    assert "cellwright[sim]" in run(hide + program)
    assert "'gymnasium' in" not in run("import sys, sim; assert 'gymnasium' not in sys.modules")
