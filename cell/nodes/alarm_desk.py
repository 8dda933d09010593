"""Alarms at the graph: /alarms out, acknowledging and shelving in, everything into the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cell_msgs.msg import Alarm as AlarmMsg
from cell_msgs.msg import AlarmArray
from cell_msgs.srv import AlarmCommand
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from cell.alarm_journal import AlarmJournal
from cell.alarms import Alarm, AlarmBook
from cell.causes import condition_of
from cell.nodes.node import stamp_of

SERVICE: Final = "/alarms/command"


class AlarmDesk:
    """The supervisor's alarms.

    Args:
        node: the supervisor.
        path: of the journal; empty: none is kept.
        threaded: a thread writes it.
        clock: the node's, s.
    """

    def __init__(self, node: Node, path: str, clock: Callable[[], float], *, threaded: bool) -> None:
        self._clock = clock
        self._node = node
        self._journal = AlarmJournal(path or ":memory:", threaded=threaded and bool(path))
        self.book = AlarmBook(self._journal.kept, clock())
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._publisher = node.create_publisher(AlarmArray, "/alarms", latched)
        self._service = node.create_service(AlarmCommand, SERVICE, self._on_command)
        self._told: tuple[Alarm, ...] | None = None

    def update(self, present: Mapping[str, str]) -> None:
        """Take what is wrong now; tell everybody where it changes anything."""
        self.book.update(present, self._clock())
        self._tell()

    def close(self) -> None:
        """Write what is left. Callable twice."""
        self._journal.close()

    def _on_command(self, request: AlarmCommand.Request, response: AlarmCommand.Response) -> AlarmCommand.Response:
        now_s, by = self._clock(), request.by or "somebody"
        if request.command == AlarmCommand.Request.ACKNOWLEDGE:
            refusal = self.book.acknowledge(request.key, by, request.comment, now_s)
        elif request.command == AlarmCommand.Request.SHELVE:
            refusal = self.book.shelve(request.key, request.duration_s, by, request.comment, now_s)
        elif request.command == AlarmCommand.Request.UNSHELVE:
            refusal = self.book.unshelve(request.key, by, now_s)
        else:
            refusal = f"there is no command {request.command}"
        response.accepted, response.message = refusal is None, refusal or ""
        self._tell()
        return response

    def _tell(self) -> None:
        alarms = self.book.listing()
        changes = self.book.changes()
        for change in changes:
            by = f" by {change.by}" if change.by else ""
            words = f" ({change.words})" if change.words else ""
            self._node.get_logger().info(f"alarm {change.name} {change.what}{by}{words}")
        if changes:
            self._journal.write(changes, self.book.kept())
        if alarms == self._told and not changes:
            return
        self._told = alarms
        now_s = self._clock()
        message = AlarmArray(
            alarms=[_message(alarm, now_s) for alarm in alarms], flood=self.book.flood, recent=self.book.recent
        )
        message.header.stamp = stamp_of(now_s)
        self._publisher.publish(message)


def _message(alarm: Alarm, now_s: float) -> Any:
    condition, subject = condition_of(alarm.name)
    shelved = alarm.shelved(now_s)
    message = AlarmMsg(
        key=alarm.name,
        priority=int(alarm.priority),
        active=alarm.active,
        acknowledged=alarm.acknowledged,
        raised=stamp_of(alarm.raised_s),
        message=alarm.words,
        shelved=shelved,
        comment=alarm.comment,
        by=alarm.by,
        latched=alarm.latched,
        first_out=alarm.first_out,
        count=alarm.count,
        standing=alarm.standing(now_s),
    )
    if condition is not None:
        message.message_ko = condition.words("ko", subject)
        message.advice, message.advice_ko = condition.advice("en", subject), condition.advice("ko", subject)
    if shelved and alarm.shelved_until_s is not None:
        message.shelved_until = stamp_of(alarm.shelved_until_s)
    return message
