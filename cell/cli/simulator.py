"""What the command line asks of a simulator, found by the scheme of the ports in the config (``sim:gripper``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from cell.config import NodeConfig
from cell.launching import ProcessLaunch
from cell.plugins import SIMULATORS, registered


class Hardware(Protocol):
    """Simulated hardware as a run sees it, in this process or in another one."""

    @property
    def empty(self) -> bool: ...

    def overrides(self) -> dict[str, dict[str, Any]]: ...

    def quality(self) -> dict[str, int] | None: ...

    def source(self) -> dict[str, int]: ...

    def captured(self, first_ns: int, last_ns: int) -> int: ...

    def inject(self, file: Path, controller: Any) -> None: ...

    def injected(self) -> list[dict[str, Any]]: ...


class Simulator(Hardware, Protocol):
    """Simulated hardware in this process; entry-point group ``cellwright.simulators``."""

    clock: Callable[[], float]

    @property
    def lines(self) -> dict[str, int]: ...

    @property
    def entered(self) -> int: ...

    def start(self, ports: Path | None = None) -> None: ...

    def close(self) -> None: ...

    def fates(self) -> list[dict[str, Any]]: ...

    def stop_injecting(self) -> None: ...

    def begin_run(self, parts: int | None) -> None: ...

    def run_lockstep(
        self,
        executor: Any,
        devices: Any,
        tell_time: Callable[[int], None],
        finished: Callable[[], bool],
        pace: Callable[[float], None] | None = None,
    ) -> None: ...


class SimulatorFactory(Protocol):
    """The entry point itself."""

    def __call__(
        self, parameters: Mapping[str, Any], *, seed: int, parts: int | None, source: Path | None, lockstep: bool
    ) -> Simulator: ...

    def check_faults(self, file: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class SimulatorChoice:
    """A simulator that can be made: its scheme (``sim``), and the parameters of its camera."""

    scheme: str
    parameters: dict[str, Any]

    @property
    def factory(self) -> SimulatorFactory:
        """What makes it; loaded only now, because a run in processes never makes one itself."""
        return cast(SimulatorFactory, registered(SIMULATORS)[self.scheme].load())

    def serves(self, node: str) -> bool:
        """The node stands for hardware and lives in the simulator's process (``sim_camera``)."""
        return node.startswith(f"{self.scheme}_")

    def simulates(self, process: ProcessLaunch) -> bool:
        """All nodes of a process do."""
        return all(self.serves(node.name) for node in process.nodes)


def simulator_of(configs: Iterable[NodeConfig]) -> SimulatorChoice | None:
    """The simulator behind the configured ports; None where all is real."""
    configs = tuple(configs)
    schemes = {
        str(value).partition(":")[0]
        for config in configs
        for key, value in config.values.items()
        if key.endswith("port") and ":" in str(value)
    }
    for scheme in sorted(schemes):
        choice = simulator_named(scheme, configs)
        if choice is not None:
            return choice
    return None


def simulator_named(scheme: str, configs: Iterable[NodeConfig]) -> SimulatorChoice | None:
    """The simulator of a scheme; None where none is registered."""
    if scheme not in registered(SIMULATORS):
        return None
    parameters = next((dict(c.values) for c in configs if c.name == f"{scheme}_camera"), {})
    return SimulatorChoice(scheme, parameters)
