"""The operator of a lockstep run: reads what anybody can read of the cell, and gives commands as anybody can."""

from __future__ import annotations

from typing import Any

from cell_msgs.msg import AlarmArray, CellState
from cell_msgs.srv import StateCommand
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from cell.packml import Event, State

FATES = ("sorted", "passed", "missed", "dropped", "rejected", "unknown", "in_flight")
#: What an operator gives in a state to have the cell produce again.
ONWARDS = {
    State.ABORTED: Event.CLEAR,
    State.STOPPED: Event.RESET,
    State.COMPLETE: Event.RESET,
    State.IDLE: Event.START,
    State.HELD: Event.UNHOLD,
}
#: A command is not given again before this, s.
PATIENCE_S = 0.1


class OperatorNode(Node):
    """Listens to /cell/state and /alarms; ``go_on`` brings the cell back to Execute, command by command.

    Attributes:
        states: every change of state that was published, with the time on the node's clock, s; ``reasons``: of each.
        alarms: keys of alarms, each with the time at which it last became active.
        unbalanced: published counts in which parts were lost or counted twice.
        commands: what was given, with the time.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("operator", automatically_declare_parameters_from_overrides=True, **kwargs)
        self.states: list[tuple[float, State]] = []
        self.reasons: list[str] = []
        self.alarms: dict[str, float] = {}
        self._active: set[str] = set()
        self.unbalanced: list[str] = []
        self.commands: list[tuple[float, Event]] = []
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(CellState, "/cell/state", self._on_state, latched)
        self.create_subscription(AlarmArray, "/alarms", self._on_alarms, latched)
        self._client = self.create_client(StateCommand, "/cell/command")

    @property
    def now_s(self) -> float:
        """The node's clock."""
        return float(self.get_clock().now().nanoseconds) * 1e-9

    @property
    def state(self) -> State | None:
        """As last published."""
        return self.states[-1][1] if self.states else None

    def go_on(self) -> bool:
        """Give the next command that is due; True where one was given."""
        state = self.state
        command = None if state is None else ONWARDS.get(state)
        if command is None or (self.commands and self.now_s - self.commands[-1][0] < PATIENCE_S):
            return False
        self.commands.append((self.now_s, command))
        self._client.call_async(StateCommand.Request(command=int(command), by="operator"))
        return True

    def _on_state(self, message: CellState) -> None:
        state = State(message.state)
        if state is not self.state:
            self.states.append((self.now_s, state))
            self.reasons.append(str(message.reason))
        counted = sum(int(getattr(message, fate)) for fate in FATES)
        if counted != message.entered:
            self.unbalanced.append(f"{message.entered} entered, {counted} accounted for at {self.now_s:.2f} s")

    def _on_alarms(self, message: AlarmArray) -> None:
        active = {str(alarm.key).partition(":")[0] for alarm in message.alarms if alarm.active}
        for key in active - self._active:
            self.alarms[key] = self.now_s
        self._active = active
