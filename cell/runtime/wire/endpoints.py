"""Writers and readers on the wire, of any type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rclpy.qos import HistoryPolicy, QoSProfile

from cell.runtime.wire import cyclone
from cell.runtime.wire.backlog import Backlog
from cell.runtime.wire.cyclone import ANY_STATE, WireError, check, library
from cell.runtime.wire.policies import endpoint_qos
from cell.runtime.wire.samples import Intake, new_sample

if TYPE_CHECKING:
    from cell.runtime.transport import Endpoint


class WireWriter:
    """Writes CDR on a topic. It waits for slow readers once; then its messages queue up, and the oldest are lost."""

    def __init__(
        self,
        participant: int,
        topic: str,
        type_name: str,
        profile: QoSProfile,
        backlog: Backlog,
        *,
        others: Sequence[Endpoint] = (),
        user_data: bytes = b"",
    ) -> None:
        """Raises WireError where Cyclone refuses."""
        self.topic = topic
        self.type_name = type_name
        self.queue_length = 0 if profile.history == HistoryPolicy.KEEP_ALL else max(1, profile.depth)
        self.entity = _make(participant, topic, type_name, profile, others=others, user_data=user_data, writer=True)
        self.guid = cyclone.guid(self.entity)
        self.handle = cyclone.instance_handle(self.entity)
        self._kind = cyclone.sample_type(self.entity)
        self._backlog = backlog
        self._write = library().dds_writecdr

    def write(self, parts: Iterable[Any]) -> None:
        """Sends a message; `parts` are copied.

        Raises:
            WireError: the parts are no CDR, or Cyclone refuses them.
        """
        sample = new_sample(self._kind, parts)
        if not self._backlog.take(self, sample):
            code = self.write_sample(sample)
            if code == cyclone.TIMEOUT:
                self._backlog.start(self, new_sample(self._kind, parts))
            else:
                check(code, f"write on {self.topic}")

    def write_sample(self, sample: int) -> int:
        """Gives 0, or the error code; the sample is gone in any case."""
        return int(self._write(self.entity, sample))

    def matched(self) -> list[int]:
        """The handles of the readers that it reaches."""
        return cyclone.matched(self.entity, writer=True)

    def wait_for_acks(self, timeout_ns: int) -> bool:
        """Blocks until every reliable reader has all messages, at most that long; gives whether they have."""
        return library().dds_wait_for_acks(self.entity, timeout_ns) == 0 and not self._backlog.holds(self)

    def assert_liveliness(self) -> None:
        library().dds_assert_liveliness(self.entity)


class WireReader:
    """Takes CDR from a topic."""

    def __init__(
        self,
        participant: int,
        topic: str,
        type_name: str,
        profile: QoSProfile,
        *,
        others: Sequence[Endpoint] = (),
        user_data: bytes = b"",
    ) -> None:
        """Raises WireError where Cyclone refuses."""
        self.topic = topic
        self.type_name = type_name
        self.entity = _make(participant, topic, type_name, profile, others=others, user_data=user_data, writer=False)
        self.guid = cyclone.guid(self.entity)
        self.condition = check(library().dds_create_readcondition(self.entity, ANY_STATE), f"wait for {topic}")
        self.take = Intake(self.entity).take

    def matched(self) -> list[int]:
        """The handles of the writers that reach it."""
        return cyclone.matched(self.entity, writer=False)


def _make(
    participant: int,
    topic: str,
    type_name: str,
    profile: QoSProfile,
    *,
    others: Sequence[Endpoint],
    user_data: bytes,
    writer: bool,
) -> int:
    lib = library()
    create, what = (lib.dds_create_writer, "writer") if writer else (lib.dds_create_reader, "reader")
    topic_entity = cyclone.create_topic(participant, topic, type_name)
    try:
        with endpoint_qos(profile, others, writer=writer, user_data=user_data) as qos:
            return check(create(participant, topic_entity, qos, None), f"create a {what} of {topic}")
    finally:
        # The endpoint keeps it alive.
        lib.dds_delete(topic_entity)


__all__ = ["WireError", "WireReader", "WireWriter"]
