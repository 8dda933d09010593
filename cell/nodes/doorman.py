"""What stands before a device's action: whether the cell's state lets a goal in, and whose goal it is."""

from __future__ import annotations

from cell_msgs.msg import CellState

from cell.nodes.node import CellNode, seconds
from cell.packml import State
from cell.passes import admits
from cell.safety import goal_refusal


class Doorman:
    """Follows /cell/state for the node of a device.

    Args:
        node: whose goals are looked at.
    """

    def __init__(self, node: CellNode) -> None:
        self._node = node
        self._state: State | None = None
        self._mode = 0
        self._stamp_s = 0.0
        node.create_subscription(CellState, "/cell/state", self._on_state, 10)

    def _on_state(self, message: CellState) -> None:
        self._state, self._mode = State(message.state), int(message.mode)
        self._stamp_s = seconds(message.header.stamp)

    def refusal(self, token: str) -> str | None:
        """Why a goal that came with this pass is not carried out, or None."""
        age_s = self._node.now_s - self._stamp_s
        return goal_refusal(self._state, self._mode, ours=admits(token), word_age_s=age_s)
