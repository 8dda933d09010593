"""The master alone, its time told: silence, time-outs, resync, tags, retries, priority, replaced commands."""

from __future__ import annotations

import pytest

from cell.drivers.crc import with_crc
from cell.drivers.frames import Request
from cell.drivers.modbus import CORRUPT_S, QUEUE_LIMIT, Failure, Master, Priority, Reply
from cell.drivers.rtu import QUIET_S, SHORT_QUIET_S, UNTAGGED_STALE_S, RtuFraming

READ = Request(9, 4, 0x07D0, 1)
SILENCE_S = 0.00175


class Talk:
    """A master, what it sends, and how its requests end."""

    def __init__(self, baudrate: int = 115200) -> None:
        self.master = Master(RtuFraming(baudrate), reply_timeout_s=0.1)
        self.ended: list[Reply] = []
        self.now_s = 0.0

    def submit(self, request: Request, priority: Priority = Priority.WRITE, **kwargs: object) -> None:
        self.master.submit(request, self.ended.append, priority, **kwargs)  # type: ignore[arg-type]

    def next_frame(self, until_s: float = 10.0) -> bytes:
        """Follow the deadlines until something is sent; empty when nothing is due any more."""
        while self.now_s <= until_s:
            frame, deadline_s = self.master.poll(self.now_s)
            if frame or deadline_s is None:
                return frame
            assert deadline_s > self.now_s
            self.now_s = deadline_s
        return b""

    def reply(self, *registers: int, function: int = 4, after_s: float = 0.003) -> None:
        body = bytes((9, function, 2 * len(registers)))
        self.feed(with_crc(body + b"".join(value.to_bytes(2, "big") for value in registers)), after_s)

    def feed(self, data: bytes, after_s: float = 0.003) -> None:
        self.now_s += after_s
        self.master.feed(data, self.now_s)


def test_reply_ends_the_request_when_it_comes_in_pieces() -> None:
    talk = Talk()
    talk.submit(READ)
    talk.next_frame()
    whole = with_crc(b"\x09\x04\x02\x12\x34")
    for byte in whole:
        assert not talk.ended
        talk.feed(bytes((byte,)), 0.0001)
    assert talk.ended[0].values == (0x1234,)
    assert talk.ended[0].stamp_s == talk.now_s


@pytest.mark.parametrize(("baudrate", "silence_s"), [(115200, 0.00175), (9600, 3.5 * 10 / 9600)])
def test_line_is_silent_when_the_next_request_follows(baudrate: int, silence_s: float) -> None:
    talk = Talk(baudrate)
    talk.submit(READ)
    talk.submit(READ)
    talk.next_frame()
    talk.reply(1)
    answered_s = talk.now_s
    assert talk.next_frame()
    assert talk.now_s - answered_s == pytest.approx(silence_s)


def test_request_is_repeated_so_often_when_nobody_answers() -> None:
    talk = Talk()
    talk.submit(READ, retries=2)
    sent = []
    while frame := talk.next_frame():
        sent.append(frame)
    assert len(sent) == 3
    assert [reply.failure for reply in talk.ended] == [Failure.TIMEOUT]
    assert talk.master.statistics.retries == 2
    assert talk.master.statistics.timeouts == 3


def test_read_waits_until_a_late_reply_no_longer_comes_when_it_has_no_other_tag() -> None:
    talk = Talk()
    talk.submit(READ, retries=0)
    talk.next_frame()
    talk.submit(READ)
    while not talk.ended:
        _, deadline_s = talk.master.poll(talk.now_s)
        talk.now_s = deadline_s or talk.now_s
    missed_s = talk.now_s = talk.ended[0].stamp_s
    # The late reply comes now, and is nobody's answer.
    talk.reply(7, after_s=0.2)
    assert len(talk.ended) == 1
    assert talk.next_frame()
    assert talk.now_s - missed_s == pytest.approx(UNTAGGED_STALE_S)
    assert talk.master.statistics.stale == 1


def test_write_waits_for_a_quiet_line_when_a_late_acknowledgement_would_fit_it() -> None:
    talk = Talk()
    talk.submit(Request(9, 16, 0, values=(1,)), retries=0)
    talk.next_frame()
    talk.submit(Request(9, 16, 0, values=(2,)))
    while not talk.ended:
        _, deadline_s = talk.master.poll(talk.now_s)
        talk.now_s = deadline_s or talk.now_s
    talk.feed(with_crc(bytes.fromhex("09 10 0000 0001")), after_s=0.03)
    late_s = talk.now_s
    assert talk.next_frame()
    assert talk.now_s - late_s == pytest.approx(QUIET_S)


def test_stop_goes_out_at_once_and_again_when_a_late_acknowledgement_would_fit_it() -> None:
    talk = Talk()
    talk.submit(Request(9, 16, 0, values=(1,)), retries=0)
    talk.next_frame()
    while not talk.ended:
        _, deadline_s = talk.master.poll(talk.now_s)
        talk.now_s = deadline_s or talk.now_s
    missed_s = talk.now_s = talk.ended[0].stamp_s
    talk.submit(Request(9, 16, 0, values=(0,)), Priority.STOP)
    acknowledged = with_crc(bytes.fromhex("09 10 0000 0001"))
    assert talk.next_frame()[8] == 0
    assert talk.now_s - missed_s == pytest.approx(SHORT_QUIET_S)
    # This could be the acknowledgement of the command before: it does not end the stop.
    talk.feed(acknowledged)
    assert len(talk.ended) == 1
    assert talk.next_frame()[8] == 0
    talk.feed(acknowledged)
    assert talk.ended[1].ok


def test_others_go_on_when_a_request_waits_for_a_late_reply_to_pass() -> None:
    talk = Talk()
    talk.submit(READ, Priority.POLL, retries=0)
    talk.next_frame()
    talk.submit(READ, Priority.POLL)
    talk.submit(Request(9, 3, 5, 2), Priority.POLL)
    talk.submit(Request(7, 4, 0x07D0, 1), Priority.POLL)
    order = []
    while len(order) < 3:
        frame = talk.next_frame()
        order.append((frame[0], frame[1]))
        talk.feed(with_crc(bytes((frame[0], frame[1], 2 * frame[5])) + bytes(2 * frame[5])))
    # Neither the other device nor another question is held up.
    assert order == [(9, 3), (7, 4), (9, 4)]
    assert [reply.ok for reply in talk.ended] == [False, True, True, True]


def test_command_goes_out_when_the_line_never_falls_silent() -> None:
    talk = Talk()
    talk.submit(READ, retries=0)
    talk.next_frame()
    talk.submit(Request(9, 6, 1, values=(1,)), Priority.STOP)
    for _ in range(100):
        talk.feed(b"\x55", 0.01)
        if talk.master.poll(talk.now_s)[0]:
            return
    raise AssertionError("babble held the stop back")


def test_corrupt_reply_is_given_up_early_when_the_line_is_quiet_behind_it() -> None:
    talk = Talk()
    talk.submit(READ, retries=0)
    talk.next_frame()
    talk.feed(b"\x09\x04\x02\x12\x34\x00\x00")
    broken_s = talk.now_s
    talk.next_frame()
    assert talk.ended[0].failure is Failure.CORRUPT
    assert talk.ended[0].stamp_s - broken_s == pytest.approx(CORRUPT_S)


def test_tag_of_a_lost_reply_is_left_out_when_it_could_still_come() -> None:
    talk = Talk()
    request = Request(9, 4, 0x07D0, 1, spare=2)
    counts = []
    for _ in range(7):
        talk.submit(request, retries=0)
        counts.append(talk.next_frame()[5])
        if len(counts) == 2:
            while len(talk.ended) < 2:
                _, deadline_s = talk.master.poll(talk.now_s)
                talk.now_s = deadline_s or talk.now_s
        else:
            talk.reply(*range(counts[-1]))
    # The second one, which asked for two registers, is never answered: two is not asked for again within the second.
    assert counts[:2] == [1, 2]
    assert 2 not in counts[2:]
    talk.now_s += 2.0
    counts = []
    for _ in range(3):
        talk.submit(request, retries=0)
        counts.append(talk.next_frame()[5])
        talk.reply(*range(counts[-1]))
    assert sorted(counts) == [1, 2, 3]
    assert all(reply.values == (0,) for reply in talk.ended if reply.ok)


def test_order_is_stop_write_poll_when_all_wait() -> None:
    talk = Talk()
    talk.submit(READ)
    talk.next_frame()
    for value, priority in ((3, Priority.POLL), (2, Priority.WRITE), (1, Priority.STOP), (4, Priority.POLL)):
        talk.submit(Request(9, 6, 0, values=(value,)), priority)
    talk.reply(0)
    order = []
    while frame := talk.next_frame():
        order.append(frame[5])
        talk.feed(frame)
    assert order == [1, 2, 3, 4]


def test_old_run_never_follows_the_stop_when_its_reply_was_lost() -> None:
    talk = Talk()
    talk.submit(Request(9, 6, 0, values=(20,)), key="drive")
    assert talk.next_frame()[5] == 20
    talk.submit(Request(9, 6, 0, values=(0,)), Priority.STOP, key="drive")
    sent = []
    while frame := talk.next_frame():
        sent.append(frame[5])
        talk.feed(frame)
    assert sent == [0]
    assert [reply.ok for reply in talk.ended] == [False, True]


def test_queued_command_is_dropped_when_a_newer_one_replaces_it() -> None:
    talk = Talk()
    talk.submit(READ)
    talk.next_frame()
    for value in (1, 2, 3):
        talk.submit(Request(9, 6, 0, values=(value,)), key="gripper")
    talk.reply(0)
    assert talk.next_frame()[5] == 3
    assert [reply.failure for reply in talk.ended[1:]] == [Failure.SUPERSEDED, Failure.SUPERSEDED]


@pytest.mark.parametrize(("code", "attempts"), [(2, 1), (6, 3)])
def test_exception_is_repeated_only_when_the_device_is_busy(code: int, attempts: int) -> None:
    talk = Talk()
    talk.submit(READ, retries=2)
    sent = 0
    while talk.next_frame():
        sent += 1
        talk.feed(with_crc(bytes((9, 0x84, code))))
    assert sent == attempts
    assert (talk.ended[0].failure, talk.ended[0].exception) == (Failure.EXCEPTION, code)


def test_everything_ends_when_the_line_is_gone() -> None:
    talk = Talk()
    for _ in range(3):
        talk.submit(READ)
    talk.next_frame()
    talk.master.abort(Failure.DISCONNECTED, 1.0)
    assert [reply.failure for reply in talk.ended] == [Failure.DISCONNECTED] * 3
    assert talk.master.poll(2.0) == (b"", None)


def test_request_is_refused_when_the_queue_is_full() -> None:
    talk = Talk()
    for _ in range(QUEUE_LIMIT + 1):
        talk.submit(READ)
    assert [reply.failure for reply in talk.ended] == [Failure.QUEUE_FULL]
