"""What ``cell run`` asks of a simulator, found by the scheme of the ports that the config names (``sim:gripper``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from cell.config import NodeConfig
from cell.plugins import SIMULATORS, registered


class Simulator(Protocol):
    """Simulated hardware in this process; entry-point group ``cellwright.simulators``."""

    clock: Callable[[], float]

    @property
    def empty(self) -> bool: ...

    def overrides(self) -> dict[str, dict[str, Any]]: ...

    def start(self) -> None: ...

    def close(self) -> None: ...

    def quality(self) -> dict[str, int] | None: ...

    def source(self) -> dict[str, int]: ...

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


def simulator_of(configs: Iterable[NodeConfig]) -> tuple[SimulatorFactory, dict[str, Any]] | None:
    """The simulator behind the configured ports, and the parameters of its camera; None where all is real."""
    configs = tuple(configs)
    schemes = {
        str(value).partition(":")[0]
        for config in configs
        for key, value in config.values.items()
        if key.endswith("port") and ":" in str(value)
    }
    for scheme in sorted(schemes):
        point = registered(SIMULATORS).get(scheme)
        if point is not None:
            parameters = next((dict(c.values) for c in configs if c.name == f"{scheme}_camera"), {})
            return cast(SimulatorFactory, point.load()), parameters
    return None
