"""n belts as one object: seeds, steps, states to keep and to bring back, by numba or by NumPy."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

import numpy as np

from perception.errors import InputError
from sim.belt import layout as at
from sim.belt import reference
from sim.belt.crew import Crew
from sim.belt.layout import Flags, Floats, Out, Rows, Wholes, Words
from sim.belt.world import BeltSetup, build_world

BACKENDS: Final = ("numba", "numpy")
_SHARD: Final = 64
"""A thread is not given fewer belts than this: handing them over would take longer than stepping them."""
_SHARDS: Final = 4
"""For each thread: more than one, so that one that is held up holds up the others little."""


State = Rows
"""Everything of n belts that can change; made by ``Belts.save``."""


def has_numba() -> bool:
    """Whether the compiled kernel can be used here."""
    return importlib.util.find_spec("numba") is not None


class Belts:
    """n belts with an arm over each. What happens on a belt depends on its seed and its actions alone, not on n, on
    the threads or on the backend.

    Args:
        setup: of all of them.
        n: how many.
        backend: ``numba``, ``numpy``, or None for numba where it is installed.
        threads: between which the belts are shared out (numba only).
        fates: of how many parts of an episode the fate is kept, in ``rows.fates``.

    Raises:
        InputError: an impossible setup, no such backend, or one that is not installed.
    """

    def __init__(
        self, setup: BeltSetup, n: int, *, backend: str | None = None, threads: int = 1, fates: int = 0
    ) -> None:
        if n < 1:
            raise InputError(f"must be a whole number from 1, not {n}", key="num_envs")
        if threads < 1:
            raise InputError(f"must be a whole number from 1, not {threads}", key="threads")
        self.setup = setup
        self.n = n
        self.backend, self._steps = _backend(backend)
        self._compiled = self.backend == "numba"
        self.world = build_world(setup)
        self.rows = Rows(
            np.zeros((n, at.REAL_WIDTH)),
            np.zeros((n, at.WHOLE_WIDTH), dtype=np.int64),
            np.zeros((n, 3), dtype=np.uint64),
            np.zeros((n, fates), dtype=np.uint8),
        )
        self.actions = np.zeros((n, 3), dtype=np.int64)
        self.actions[:, 2] = self.world.sizes[at.FIRST_SPEED]
        shape = (n, setup.slots + 1, int(self.world.sizes[at.COLUMNS]))
        self._final = np.zeros(shape, dtype=np.float32)
        self._final_mask = np.zeros((n, len(self.world.mask)), dtype=np.bool_)
        self._final_dt, self._final_illegal = np.zeros(n), np.zeros(n, dtype=np.bool_)
        self._out = self.fresh()
        self._context = self._steps.bind(self.world, self.rows, self._out, self.actions) if self._compiled else None
        self._address = 0 if self._context is None else int(self._context.ctypes.data)
        workers = min(threads, n // _SHARD) if self._compiled else 1
        self._crew = Crew(workers - 1) if workers > 1 else None
        parts = min(_SHARDS * workers, n // _SHARD) if workers > 1 else 1
        edges = np.linspace(0, n, parts + 1).astype(int).tolist()
        self._shards = list(itertools.pairwise(edges))

    @property
    def out(self) -> Out:
        """What the last step, reset or look said."""
        return self._out

    @out.setter
    def out(self, out: Out) -> None:
        self._out = out
        if self._context is not None:
            self._steps.bind_results(self._context, out)

    def fresh(self) -> Out:
        """Arrays for the next step's results; those of the steps before are left to whoever holds them."""
        n, slots, columns = self._final.shape
        return Out(
            np.empty((n, slots, columns), dtype=np.float32),
            np.empty((n, len(self.world.mask)), dtype=np.bool_),
            np.empty(n),
            np.empty(n),
            np.empty(n, dtype=np.bool_),
            np.empty(n, dtype=np.bool_),
            self._final,
            self._final_mask,
            self._final_dt,
            self._final_illegal,
        )

    def seed(self, seeds: Sequence[int | None], chosen: Flags | None = None) -> None:
        """Seed belts anew: the next ``reset`` begins the first episode of the seed. None leaves a belt as it is.

        Raises:
            InputError: a seed below 0.
        """
        for i, seed in enumerate(seeds):
            if seed is None or (chosen is not None and not chosen[i]):
                continue
            if seed < 0:
                raise InputError(f"must be a whole number from 0, not {seed}", key="seed")
            self.rows.keys[i, at.SEED] = seed % 2**64
            self.rows.whole[i, at.EPISODE] = 0

    def reset(self, chosen: Flags | None = None) -> Out:
        """Begin the next episode on the chosen belts, on all by default."""
        if chosen is None:
            chosen = np.ones(self.n, dtype=np.bool_)
        self._steps.reset_range(self.world, self.rows, self.out, chosen, 0, self.n)
        return self.out

    def step(self, mode: int) -> Out:
        """Do what ``actions`` (n, 3: part, bin, speed) say, and write to ``out``."""
        if not self._compiled:
            self._steps.step_range(self.world, self.rows, self._out, self.actions, mode, 0, self.n)
        elif self._crew is None:
            self._steps.step_at(self._address, mode, 0, self.n)
        else:
            step, address = self._steps.step_at, self._address
            self._crew.run(lambda low, high: step(address, mode, low, high), self._shards)
        return self._out

    def run(self, rule: str, steps: int) -> Floats:
        """So many decisions of a rule on each belt, without observations: (n, 2) reward and seconds (numba only).

        Raises:
            InputError: no such rule, or the backend is NumPy.
        """
        if not self._compiled:
            raise InputError("rules run in the compiled kernel: pip install 'cellwright[sim]'", key="backend")
        rules: dict[str, int] = self._steps.RULES
        if rule not in rules:
            raise InputError(f"must be one of {', '.join(rules)}, not {rule!r}", key="rule")
        totals = np.zeros((self.n, 2))

        def one(low: int, high: int) -> None:
            self._steps.rule_range(self.world, self.rows, totals, rules[rule], steps, low, high)

        if self._crew is None:
            one(0, self.n)
        else:
            self._crew.run(one, self._shards)
        return totals

    def sample(self, mask: Flags, words: Words) -> None:
        """A random legal part for every belt into ``actions``; ``words`` (n,) is the state of the draw (numba only)."""
        self._steps.sample_range(mask, self.actions, words, self.setup.slots, 0, self.n)

    def save(self) -> State:
        """A copy of everything that can change."""
        rows = self.rows
        return Rows(rows.real.copy(), rows.whole.copy(), rows.keys.copy(), rows.fates.copy())

    def restore(self, state: State) -> Out:
        """Bring back what ``save`` gave; the belts go on as they did from there.

        Raises:
            InputError: it is of other belts.
        """
        pairs: list[tuple[str, Any, Any]] = list(zip(Rows._fields, state, self.rows, strict=True))
        for name, saved, array in pairs:
            if saved.shape != array.shape or saved.dtype != array.dtype:
                raise InputError(
                    f"is of {saved.shape[0]} other belts ({name} {saved.shape}, here {array.shape})", key="state"
                )
        for _, saved, array in pairs:
            array[:] = saved
        return self.look()

    def look(self) -> Out:
        """The observation and the mask of now."""
        nobody = np.zeros(self.n, dtype=np.bool_)
        self._steps.reset_range(self.world, self.rows, self.out, nobody, 0, self.n)
        return self.out

    def counters(self) -> dict[str, Wholes]:
        """What has happened in this episode, an array of n each."""
        columns = {
            "entered": at.NEXT_NUMBER,
            "picked": at.PICKED,
            "dropped": at.DROPPED,
            "left": at.LEFT,
            "in_further_bins": at.RECHECKED,
            "illegal": at.ILLEGAL,
            "decisions": at.STEPS,
            "on_belt": at.COUNT,
        }
        if self.setup.scores is not None:
            columns |= {"escaped": at.LEFT_DEFECTIVE, "false_rejects": at.FALSE_REJECTS}
        return {name: self.rows.whole[:, column].copy() for name, column in columns.items()}

    @property
    def time_s(self) -> Floats:
        """Since the episode began."""
        return self.rows.real[:, at.TIME_S].copy()

    def close(self) -> None:
        """End the threads."""
        if self._crew is not None:
            self._crew.close()
            self._crew = None


def _backend(name: str | None) -> tuple[str, Any]:
    if name is None:
        name = "numba" if has_numba() else "numpy"
    if name not in BACKENDS:
        raise InputError(f"must be one of {', '.join(BACKENDS)}, not {name!r}", key="backend")
    if name == "numpy":
        return name, reference
    if not has_numba():
        raise InputError("numba is not installed: pip install 'cellwright[sim]'", key="backend")
    return name, _kernel()


def _kernel() -> ModuleType:
    from sim.belt import kernel  # noqa: PLC0415 (importing numba takes half a second)

    return kernel
