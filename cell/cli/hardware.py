"""The simulated hardware of a run in processes: the one that is there already on the state folder, or its own."""

from __future__ import annotations

import argparse
import sys
import time

from cell.cli.plan import Plan
from cell.cli.processes import Child, Processes, Program, cell_words
from cell.sim_channel import RunningSim
from cell.simfolder import SimFolder, SimInfo
from perception.errors import InputError

SIM = "sim"
READY_S = 60.0
"""How long it may take to come up on a loaded machine; usually a second."""
WAIT_S = 0.01


class HardwareProcess:
    """Finds or starts the simulated hardware. In three steps, so that others can load and start meanwhile.

    Args:
        args: of ``cell run``.
        plan: of the run; its ports lead to a simulator.
        folder: where the hardware is, or is to be.
        processes: starts it.

    Raises:
        InputError: what is there is not what the command line asks for.
    """

    def __init__(self, args: argparse.Namespace, plan: Plan, folder: SimFolder, processes: Processes) -> None:
        self._args = args
        self._plan = plan
        self._folder = folder
        self._processes = processes
        self._child: Child | None = None
        self._found: RunningSim | None = None
        folder.create()
        if folder.alive:
            self._found = RunningSim(folder, self._await_info())
            if not self._is_asked_for(self._found.info) or (not self._found.info.kept and self._found.finished):
                self._found.stop()
                self._found.close()
                self._found = None
        if self._found is None:
            self._start()

    @property
    def domain(self) -> int | None:
        """The ROS domain that the hardware stays in, known at once; None: it comes to that of the run."""
        return None if self._found is None else self._found.info.domain

    def join(self, domain: int) -> RunningSim:
        """Take it over in a ROS domain.

        Raises:
            InputError: it cannot be started, or does not answer.
        """
        sim = self._found
        if sim is None:
            self._found = sim = RunningSim(self._folder, self._await_info())
        elif sim.info.kept:
            _say(f"on the belt of a cell sim, process {sim.info.pid}")
        else:
            _say(f"on the belt of the run before, process {sim.info.pid}")
        sim.join(domain, self._args.parts)
        return sim

    def close(self) -> None:
        """Let go of what somebody keeps, end what belongs to a run. Callable also where it never came up."""
        if self._found is not None and not self._found.info.kept:
            self._found.stop()
        elif self._child is not None:
            self._processes.stop([self._child])
        if self._found is not None:
            self._found.close()

    def _start(self) -> None:
        args = self._args
        words = [*self._plan.words, "--seed", str(args.seed or 0), "--state", str(self._folder.state)]
        if args.parts is not None:
            words += ["--parts", str(args.parts)]
        if args.source is not None:
            words += ["--source", str(args.source)]
        program = Program(SIM, (SIM,), cell_words(SIM, *words), log=self._folder.output, outlives=True)
        self._child = self._processes.start(program)

    def _await_info(self) -> SimInfo:
        """What it says of itself, once it does."""
        until_s = time.monotonic() + READY_S

        def ready() -> bool:
            return self._child is None or self._child.ready

        info = self._folder.info() if ready() else None
        while info is None:
            if self._child is not None:
                self._processes.poll()
                if self._child.trouble is not None:
                    raise InputError(f"the simulated hardware did not come up: {self._child.trouble.words}")
            elif not self._folder.alive:
                raise InputError("the cell sim on this state folder has just ended", file=self._folder.state)
            if time.monotonic() > until_s:
                raise InputError(f"the simulated hardware did not come up within {READY_S:.0f} s")
            time.sleep(WAIT_S)
            info = self._folder.info() if ready() else None
        return info

    def _is_asked_for(self, info: SimInfo) -> bool:
        """What runs there is what the command line names, as far as it names something."""
        args = self._args
        asked = {
            "--seed": (args.seed, info.seed),
            "--source": (None if args.source is None else str(args.source.resolve()), info.source),
        }
        for flag, (wanted, there) in asked.items():
            if wanted is None or wanted == there:
                continue
            if info.kept:
                raise InputError(f"the cell sim on this state folder has {there}; leave the flag out", key=flag)
            _say(f"{flag} asks for another world than that of the run before: its belt is given up")
            return False
        return True


def _say(words: str) -> None:
    print(f"cell: {words}", file=sys.stderr, flush=True)
