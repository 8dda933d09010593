"""The belts beside CartPole, by turns in one process: ``vector_random``, ``vector_fifo``, ``single``.

The peer of the vector figures is Gymnasium's ``SyncVectorEnv`` of 64 CartPoles, with actions drawn beforehand; ours
draws its masked random actions within the time that is measured. Both hand out new arrays in every step.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from cell.cli.bench.figures import Figure, Sample, figure
from perception.errors import InputError
from sim.belt.engine import Belts
from sim.belt.world import BeltSetup
from sim.bench_drivers.table import Setup

OURS: Final = "cell/BeltPick-v0"
VECTOR_PEER: Final = "SyncVectorEnv CartPole-v1 x64"
SINGLE_PEER: Final = "CartPole-v1"
ENVIRONMENTS: Final = 2048
PEER_ENVIRONMENTS: Final = 64
STEPS: Final = 400
FIFO_STEPS: Final = 1500
PEER_STEPS: Final = 800
SINGLE_STEPS: Final = 100_000

Timed = Callable[[], tuple[int, float]]
"""Does some steps: how many, and in how many seconds."""


def vector_random(setup: Setup) -> list[Figure]:
    """Steps a second of the vector environment under masked random actions, on all cores up to two."""
    import gymnasium  # noqa: PLC0415 (comes with the extra sim)

    _need()
    steps = setup.amount(STEPS)
    envs: Any = gymnasium.make_vec(f"sim:{OURS}", num_envs=ENVIRONMENTS, threads=_threads())
    words = np.arange(ENVIRONMENTS, dtype=np.uint64)
    _, info = envs.reset(seed=1)
    state = {"mask": info["action_mask"]}

    def ours() -> tuple[int, float]:
        mask, actions = state["mask"], envs.belts.actions
        began = time.perf_counter()
        for _ in range(steps):
            envs.belts.sample(mask, words)
            mask = envs.step(actions[:, 0])[4]["action_mask"]
        state["mask"] = mask
        return steps * ENVIRONMENTS, time.perf_counter() - began

    found = _by_turns(setup, "vector_random", ours, _cartpoles(setup))
    envs.close()
    return [figure("vector_random", "steps/s", (OURS, found[0]), (VECTOR_PEER, found[1]), more_is_better=True)]


def vector_fifo(setup: Setup) -> list[Figure]:
    """Decisions a second of FIFO in the kernel."""
    _need()
    belts = Belts(BeltSetup(), ENVIRONMENTS, threads=_threads())
    belts.seed(range(ENVIRONMENTS))
    belts.reset()
    steps = setup.amount(FIFO_STEPS)

    def ours() -> tuple[int, float]:
        began = time.perf_counter()
        belts.run("fifo", steps)
        return steps * ENVIRONMENTS, time.perf_counter() - began

    found = _by_turns(setup, "vector_fifo", ours, _cartpoles(setup))
    belts.close()
    return [figure("vector_fifo", "decisions/s", ("kernel", found[0]), (VECTOR_PEER, found[1]), more_is_better=True)]


def single(setup: Setup) -> list[Figure]:
    """Steps a second of one environment, as ``gymnasium.make`` gives it, under legal actions."""
    import gymnasium  # noqa: PLC0415

    _need()
    steps = setup.amount(SINGLE_STEPS)
    ours = _single(gymnasium.make(f"sim:{OURS}"), steps, lambda env, info: int(info["action_mask"].argmax()))
    peer = _single(gymnasium.make(SINGLE_PEER, disable_env_checker=True), steps, None)
    found = _by_turns(setup, "single", ours, peer)
    return [figure("single", "steps/s", (OURS, found[0]), (SINGLE_PEER, found[1]), more_is_better=True)]


def _single(env: Any, steps: int, legal: Callable[[Any, Any], int] | None) -> Timed:
    env.action_space.seed(1)
    drawn = [int(env.action_space.sample()) for _ in range(steps)]

    def run() -> tuple[int, float]:
        _, info = env.reset(seed=1)
        began = time.perf_counter()
        for action in drawn:
            _, _, terminated, truncated, info = env.step(action if legal is None else legal(env, info))
            if terminated or truncated:
                _, info = env.reset()
        return steps, time.perf_counter() - began

    return run


def _cartpoles(setup: Setup) -> Timed:
    import gymnasium  # noqa: PLC0415

    envs = gymnasium.make_vec("CartPole-v1", num_envs=PEER_ENVIRONMENTS, vectorization_mode="sync")
    envs.reset(seed=1)
    drawn = np.random.default_rng(1).integers(0, 2, (setup.amount(PEER_STEPS), PEER_ENVIRONMENTS))

    def run() -> tuple[int, float]:
        began = time.perf_counter()
        for actions in drawn:
            envs.step(actions)
        return drawn.size, time.perf_counter() - began

    return run


def _by_turns(setup: Setup, name: str, ours: Timed, peer: Timed) -> tuple[Sample, Sample]:
    """Both once for nothing (to compile and to warm up), then round by round, so that both meet the same load."""
    setup.tell(f"{name}: compiling and warming up")
    ours()
    peer()
    rates: tuple[list[float], list[float]] = ([], [])
    counts = [0, 0]
    for number in range(setup.rounds):
        for who, run in enumerate((ours, peer)):
            count, seconds = run()
            rates[who].append(count / seconds)
            counts[who] += count
        setup.tell(f"{name}: round {number + 1} of {setup.rounds}, {rates[0][-1]:,.0f} against {rates[1][-1]:,.0f}")
    return Sample(tuple(rates[0]), counts[0]), Sample(tuple(rates[1]), counts[1])


def _threads() -> int:
    return min(2, len(os.sched_getaffinity(0)))


def _need() -> None:
    for module in ("gymnasium", "numba"):
        if importlib.util.find_spec(module) is None:
            raise InputError(f"{module} is not installed: pip install 'cellwright[sim]'", key="bench sim")
