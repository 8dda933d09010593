"""What an abort stops by itself, and motions of the arm that nobody here has asked for.

The nodes of belt and arm stop what they move when the cell's state says so. Where one of them hangs, and that may be
the reason for the abort, its device is told all the same: the drives of this process on their own lines, the arm by its
action's cancel service.
"""

from __future__ import annotations

from typing import Any, Final

from action_msgs.msg import GoalStatus, GoalStatusArray
from action_msgs.srv import CancelGoal
from rclpy.node import Node

from cell.packml import Machine, State
from cell.passes import is_ours, known
from cell.safety import by_hand

ALIVE: Final = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING)
AGAIN_S: Final = 0.1
"""A goal that is still there is cancelled again after this time."""
SHOWN_S: Final = 2.0


class Brakes:
    """Stops drives and arm on an abort, and every motion of the arm that is not the cell's.

    Args:
        node: the supervisor.
        devices: of this process.
    """

    def __init__(self, node: Node, devices: Any) -> None:
        self._node = node
        self._devices = devices
        self._state: State | None = None
        self._goals: dict[bytes, bool] = {}
        self._told: dict[bytes, float] = {}
        self._seen_s: float | None = None
        self._cancel = node.create_client(CancelGoal, "/arm/follow_joint_trajectory/_action/cancel_goal")
        node.create_subscription(GoalStatusArray, "/arm/follow_joint_trajectory/_action/status", self._on_goals, 10)

    def follow(self, state: State) -> None:
        """Stop everything where the cell has just begun to abort."""
        before, self._state = self._state, state
        if state is State.ABORTING and before is not State.ABORTING:
            self.stop_drives()
            self._cancel_arm(None)

    def stop_drives(self) -> None:
        """A stop to every belt drive of this process. A gripper keeps its hold: nobody tells it anything."""
        for device in getattr(self._devices, "opened", {}).values():
            if hasattr(device, "run") and hasattr(device, "stop"):
                device.stop()

    def foreign(self, now_s: float, machine: Machine) -> str | None:
        """The motion that somebody else has asked the arm for, where he may not; it is cancelled. Shown for a while.

        In Aborting and Aborted nothing moves at all, whoever asked for it.
        """
        halted = machine.state in (State.ABORTING, State.ABORTED)
        free = by_hand(machine.state, machine.mode)
        for goal, ours in self._goals.items():
            if (ours and not halted) or free:
                continue
            if not ours:
                self._seen_s = now_s
            if now_s - self._told.get(goal, -AGAIN_S) >= AGAIN_S:
                self._told[goal] = now_s
                self._cancel_arm(goal)
        if self._seen_s is None or now_s - self._seen_s > SHOWN_S:
            return None
        return "arm: a motion that is not the cell's was asked for and cancelled"

    def _on_goals(self, message: GoalStatusArray) -> None:
        running = [bytes(entry.goal_info.goal_id.uuid) for entry in message.status_list if entry.status in ALIVE]
        self._goals = {goal: not known() or is_ours(goal) for goal in running}
        self._told = {goal: at_s for goal, at_s in self._told.items() if goal in self._goals}

    def _cancel_arm(self, goal: bytes | None) -> None:
        """One goal, or all of them."""
        if not self._cancel.service_is_ready():
            return
        request = CancelGoal.Request()
        if goal is not None:
            request.goal_info.goal_id.uuid = list(goal)
        self._cancel.call_async(request)
