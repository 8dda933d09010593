"""A sign of life needs the supervisor's own word, not only a loop that turns."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from cell_msgs.msg import CellState

from cell.cli.watchdog import FRESH_S, Watchdog


class Supervisor:
    """Takes the place of the node: remembers who listens to it."""

    def create_subscription(self, kind: type, topic: str, told: Any, qos: Any) -> None:
        assert (kind, topic) == (CellState, "/cell/state")
        self.tell = told


class Listening:
    def __init__(self, folder: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "notify"))
        self.socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "3000000"}

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(200).decode())
            except BlockingIOError:
                return found


@pytest.fixture
def listening(tmp_path: Path) -> Any:
    made = Listening(tmp_path)
    yield made
    made.socket.close()


def test_ready_is_told_once_and_life_follows_when_the_supervisor_speaks(listening: Listening) -> None:
    now, supervisor = [0.0], Supervisor()
    watchdog = Watchdog(supervisor, listening.environment, lambda: now[0])
    watchdog.look()
    assert listening.heard() == []
    supervisor.tell(CellState(state_name="Stopped"))
    watchdog.look()
    assert listening.heard() == ["READY=1\nSTATUS=the cell stands in Stopped", "WATCHDOG=1"]
    supervisor.tell(CellState(state_name="Execute"))
    now[0] = 0.95
    watchdog.look()
    assert listening.heard() == ["STATUS=the cell stands in Execute", "WATCHDOG=1"]
    watchdog.stopping()
    assert listening.heard() == ["STOPPING=1\nSTATUS=stopping"]
    watchdog.close()


def test_life_is_not_told_when_the_loop_turns_and_the_supervisor_is_silent(listening: Listening) -> None:
    now, supervisor = [0.0], Supervisor()
    watchdog = Watchdog(supervisor, listening.environment, lambda: now[0])
    supervisor.tell(CellState(state_name="Execute"))
    watchdog.look()
    listening.heard()
    for step in range(1, 101):
        now[0] = FRESH_S + 0.1 * step
        watchdog.look()
    assert listening.heard() == []
    supervisor.tell(CellState(state_name="Execute"))
    watchdog.look()
    assert listening.heard() == ["WATCHDOG=1"]
    watchdog.close()


def test_graph_is_left_alone_when_there_is_no_manager() -> None:
    supervisor = Supervisor()
    watchdog = Watchdog(supervisor, {})
    watchdog.look()
    watchdog.stopping()
    assert not hasattr(supervisor, "tell")
