"""What can go wrong in a cell: one table of conditions and one of faults, read by supervisor, page and ``eval faults``.

A *condition* is what the controller can see; it has an alarm, and a reaction where the cell is in motion. A *fault* is
what can be done to a cell from outside (the fault matrix); it names the conditions by which it is to be noticed, what
the cell is to do, and who makes it well again. Pure data.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Priority(enum.IntEnum):
    """As in ``cell_msgs/msg/Alarm``. By what happens if nobody acts, and how soon (ISA-18.2, rationalisation)."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Reaction(enum.Enum):
    """What the cell does by itself. An internal cause holds, one up or down the line suspends, a loss aborts."""

    NONE = "none"
    HOLD = "Hold"
    SUSPEND = "Suspend"
    ABORT = "Abort"


class Recovery(enum.Enum):
    """Who makes it well, and how.

    ITSELF: the condition ends and the cell goes on. UNHOLD: a person puts it right and gives Unhold. CLEAR: a person
    puts it right and gives Clear, Reset and Start.
    """

    ITSELF = "itself"
    UNHOLD = "Unhold"
    CLEAR = "Clear"


class Fault(str, enum.Enum):
    """The fault matrix, by the names of fault files and of ``eval faults``."""

    SERIAL_UNPLUG = "serial_unplug"
    CRC_NOISE = "crc_noise"
    SLOW_REPLY = "slow_reply"
    STALE_IMAGE = "stale_image"
    PART_DROPPED = "part_dropped"
    JAM = "jam"
    DOUBLE_PICK = "double_pick"
    BELT_SLIP = "belt_slip"
    ENCODER_ROLLOVER = "encoder_rollover"
    VACUUM_LEAK = "vacuum_leak"
    EMERGENCY_STOP = "emergency_stop"
    NODE_CRASH = "node_crash"
    DISK_FULL = "disk_full"
    CLOCK_JUMP = "clock_jump"
    POWER_LOSS = "power_loss"


@dataclass(frozen=True, slots=True)
class Condition:
    """One kind of alarm.

    Attributes:
        key: of the alarm; ``key:subject`` where several devices or nodes can have it.
        priority, reaction: reaction while the cell is in motion; at rest only the alarm is raised.
        latched: it stays until a person acknowledges it, also where its cause has gone meanwhile.
        english, korean: what it is; ``{subject}`` stands for the device or node.
        advice_english, advice_korean: what the operator does about it.
    """

    key: str
    priority: Priority
    reaction: Reaction
    latched: bool
    english: str
    korean: str
    advice_english: str
    advice_korean: str

    def words(self, language: str = "en", subject: str = "") -> str:
        """What it is, in English or Korean (``ko``)."""
        return (self.korean if language == "ko" else self.english).format(subject=subject)

    def advice(self, language: str = "en", subject: str = "") -> str:
        """What to do about it, in English or Korean (``ko``)."""
        return (self.advice_korean if language == "ko" else self.advice_english).format(subject=subject)


_LOW, _MEDIUM, _HIGH, _CRITICAL = Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL
_NONE, _HOLD, _SUSPEND, _ABORT = Reaction.NONE, Reaction.HOLD, Reaction.SUSPEND, Reaction.ABORT

_CONDITIONS: Final = (
    Condition(
        "emergency_stop", _CRITICAL, _ABORT, True,
        "emergency stop pressed", "비상정지가 눌림",
        "Find out why, release the button, reset the safety circuit, then Clear.",
        "원인을 확인하고 버튼을 해제한 뒤 안전 회로를 리셋하고 Clear 하십시오.",
    ),
    Condition(
        "light_curtain", _CRITICAL, _ABORT, True,
        "light curtain interrupted", "라이트 커튼이 차단됨",
        "See that nobody is in the cell, then Clear.",
        "셀 안에 사람이 없는지 확인한 뒤 Clear 하십시오.",
    ),
    Condition(
        "safety_inputs", _CRITICAL, _ABORT, True,
        "safety inputs are not read", "안전 입력을 읽을 수 없음",
        "Check the I/O block, its supply and its line, then Clear.",
        "I/O 블록의 전원과 통신선을 점검한 뒤 Clear 하십시오.",
    ),
    Condition(
        "device_lost", _CRITICAL, _ABORT, True,
        "{subject} does not answer", "{subject} 응답 없음",
        "Check plug, cable and supply of {subject}; it is found again by itself. Then Clear.",
        "{subject}의 커넥터, 케이블, 전원을 점검하십시오. 다시 연결되면 Clear 하십시오.",
    ),
    Condition(
        "device_fault", _CRITICAL, _ABORT, True,
        "{subject} reports a fault", "{subject} 고장 신호",
        "Read the code at {subject} and put its cause right, then Clear.",
        "{subject}의 고장 코드를 확인하고 원인을 제거한 뒤 Clear 하십시오.",
    ),
    Condition(
        "node_silent", _CRITICAL, _ABORT, True,
        "{subject} gives no sign of life", "{subject} 노드가 응답하지 않음",
        "It is started again by itself. Then Clear; if it comes back, save a bundle with cell doctor.",
        "노드는 자동으로 다시 시작됩니다. Clear 하십시오. 반복되면 cell doctor 로 자료를 저장하십시오.",
    ),
    Condition(
        "spectator_silent", _LOW, _NONE, False,
        "{subject} gives no sign of life; production goes on", "{subject} 노드 응답 없음 (생산은 계속됨)",
        "Nothing moves by it. It is started again by itself.",
        "동작에는 영향이 없으며 자동으로 다시 시작됩니다.",
    ),
    Condition(
        "acting_timeout", _HIGH, _ABORT, True,
        "a state did not end in time", "상태 전환이 제한 시간 안에 끝나지 않음",
        "See what keeps belt or arm from moving or standing, then Clear.",
        "컨베이어나 로봇의 동작을 막는 원인을 확인한 뒤 Clear 하십시오.",
    ),
    Condition(
        "foreign_motion", _CRITICAL, _ABORT, True,
        "{subject} was told to move by somebody else", "{subject}에 외부 동작 명령이 들어옴",
        "Find who sends goals to {subject}; move by hand in mode Manual only. Then Clear.",
        "{subject}에 명령을 보낸 곳을 확인하십시오. 수동 동작은 Manual 모드에서만 가능합니다. 그 후 Clear 하십시오.",
    ),
    Condition(
        "unclean_end", _HIGH, _NONE, True,
        "the last run had no clean end", "이전 운전이 정상적으로 종료되지 않음",
        "Look at the parts that were reconciled, empty the gripper if it holds one, then Clear.",
        "대조된 부품을 확인하고 그리퍼에 부품이 있으면 제거한 뒤 Clear 하십시오.",
    ),
    Condition(
        "line_noise", _MEDIUM, _HOLD, False,
        "many corrupt replies on the line of {subject}", "{subject} 통신선에 오류 프레임이 많음",
        "Check shield, termination and the way of the cable; the alarm clears itself. Then Unhold.",
        "차폐, 종단 저항, 배선 경로를 점검하십시오. 알람은 자동으로 해제됩니다. 그 후 Unhold 하십시오.",
    ),
    Condition(
        "line_slow", _LOW, _NONE, False,
        "{subject} answers late; late replies are discarded", "{subject} 응답 지연 (늦은 응답은 버려짐)",
        "Nothing at once. If it stays, look for another master or a loaded gateway on the line.",
        "즉시 조치는 필요 없습니다. 계속되면 통신선의 다른 마스터나 게이트웨이 부하를 확인하십시오.",
    ),
    Condition(
        "image_stale", _MEDIUM, _NONE, False,
        "no fresh picture; nothing is picked", "새 영상이 없어 피킹하지 않음",
        "Check the camera, its cable and its light.",
        "카메라와 케이블, 조명을 점검하십시오.",
    ),
    Condition(
        "part_dropped", _HIGH, _HOLD, True,
        "a part was lost from the gripper", "그리퍼에서 부품이 떨어짐",
        "Find the part and take it out, acknowledge, then Unhold.",
        "떨어진 부품을 찾아 제거하고 확인한 뒤 Unhold 하십시오.",
    ),
    Condition(
        "pick_failed", _HIGH, _HOLD, False,
        "a pick failed with the part in the fingers", "부품을 잡은 상태에서 피킹 실패",
        "See what arm and gripper hold, free them, then Unhold.",
        "로봇과 그리퍼 상태를 확인하고 해제한 뒤 Unhold 하십시오.",
    ),
    Condition(
        "double_pick", _LOW, _NONE, False,
        "two parts were gripped; both are rejected", "부품 두 개가 잡혀 모두 불량 처리됨",
        "Nothing. If it is frequent, see that parts are fed apart.",
        "조치는 필요 없습니다. 자주 발생하면 부품 간격을 확인하십시오.",
    ),
    Condition(
        "jam", _HIGH, _HOLD, True,
        "the belt is jammed: the drive works and the belt stands", "컨베이어 걸림: 모터는 동작하나 벨트가 정지함",
        "Free the belt, acknowledge, then Unhold.",
        "걸린 물체를 제거하고 확인한 뒤 Unhold 하십시오.",
    ),
    Condition(
        "belt_slip", _HIGH, _HOLD, True,
        "belt slip: pictures and encoder disagree", "벨트 미끄러짐: 영상과 엔코더가 일치하지 않음",
        "Check the encoder's wheel and the belt's tension; tracking begins anew with Unhold.",
        "엔코더 휠과 벨트 장력을 점검하십시오. Unhold 하면 추적이 새로 시작됩니다.",
    ),
    Condition(
        "vacuum_leak", _MEDIUM, _HOLD, False,
        "the vacuum leaks", "진공 누설",
        "Check the cup and its hose, then Unhold.",
        "흡착 패드와 호스를 점검한 뒤 Unhold 하십시오.",
    ),
    Condition(
        "ledger_room", _HIGH, _SUSPEND, False,
        "the ledger cannot be written or its disk is nearly full", "기록을 쓸 수 없거나 디스크 공간이 부족함",
        "Free space on the disk; the cell goes on by itself.",
        "디스크 공간을 확보하십시오. 셀은 자동으로 다시 시작합니다.",
    ),
    Condition(
        "clock_jump", _LOW, _NONE, False,
        "the computer's clock was set; control is not touched", "컴퓨터 시계가 변경됨 (제어에는 영향 없음)",
        "Nothing. See that one time service sets this computer's clock.",
        "조치는 필요 없습니다. 시간 동기화 설정을 확인하십시오.",
    ),
    Condition(
        "not_well", _LOW, _NONE, False,
        "{subject} is not well", "{subject} 상태 이상",
        "Read what {subject} says of itself.",
        "{subject}의 상태 내용을 확인하십시오.",
    ),
    Condition(
        "alarm_flood", _MEDIUM, _NONE, False,
        "alarm flood: more than ten alarms in ten minutes", "알람 폭주: 10분 동안 10건 초과",
        "Begin with the first-out alarm: the others mostly follow from it.",
        "최초 발생 알람부터 조치하십시오. 나머지는 대부분 그에 따른 것입니다.",
    ),
)  # fmt: skip

CONDITIONS: Final[Mapping[str, Condition]] = {condition.key: condition for condition in _CONDITIONS}
"""Every condition by the key of its alarm."""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One row of the fault matrix.

    Attributes:
        noticed_by: keys of the conditions, any of which says that it was noticed; none where nothing is to be said.
        reaction: of the cell while the fault has an effect; NONE where it has none in a phase.
        tolerated: reactions that are right as well, by how bad the fault is.
        recovery: who makes it well.
        starts_aborted: the controller is gone, and its next start stands in Aborted.
    """

    fault: Fault
    noticed_by: tuple[str, ...]
    reaction: Reaction
    recovery: Recovery
    tolerated: tuple[Reaction, ...] = ()
    starts_aborted: bool = False


_ITSELF, _UNHOLD, _CLEAR = Recovery.ITSELF, Recovery.UNHOLD, Recovery.CLEAR

_MATRIX: Final = (
    FaultRow(Fault.SERIAL_UNPLUG, ("device_lost", "safety_inputs"), _ABORT, _CLEAR),
    FaultRow(Fault.CRC_NOISE, ("line_noise",), _HOLD, _UNHOLD),
    FaultRow(Fault.SLOW_REPLY, ("line_slow",), _NONE, _ITSELF),
    FaultRow(Fault.STALE_IMAGE, ("image_stale",), _NONE, _ITSELF),
    FaultRow(Fault.PART_DROPPED, ("part_dropped",), _HOLD, _UNHOLD),
    FaultRow(Fault.JAM, ("jam",), _HOLD, _UNHOLD),
    FaultRow(Fault.DOUBLE_PICK, ("double_pick",), _NONE, _ITSELF),
    FaultRow(Fault.BELT_SLIP, ("belt_slip",), _HOLD, _UNHOLD),
    FaultRow(Fault.ENCODER_ROLLOVER, (), _NONE, _ITSELF),
    FaultRow(Fault.VACUUM_LEAK, ("vacuum_leak", "part_dropped"), _HOLD, _UNHOLD, tolerated=(_NONE,)),
    FaultRow(Fault.EMERGENCY_STOP, ("emergency_stop",), _ABORT, _CLEAR),
    FaultRow(Fault.NODE_CRASH, ("node_silent",), _ABORT, _CLEAR),
    FaultRow(Fault.DISK_FULL, ("ledger_room",), _SUSPEND, _ITSELF),
    FaultRow(Fault.CLOCK_JUMP, ("clock_jump",), _NONE, _ITSELF),
    FaultRow(Fault.POWER_LOSS, ("unclean_end",), _NONE, _CLEAR, starts_aborted=True),
)

MATRIX: Final[Mapping[Fault, FaultRow]] = {row.fault: row for row in _MATRIX}
"""The fault matrix by fault."""


def alarm_name(key: str, subject: str = "") -> str:
    """The alarm's key on /alarms: ``device_lost:drive``, or ``jam`` where there is but one."""
    return f"{key}:{subject}" if subject else key


def condition_of(name: str) -> tuple[Condition | None, str]:
    """The condition and the subject of an alarm's key on /alarms; None for one that this table does not know."""
    key, _, subject = name.partition(":")
    return CONDITIONS.get(key), subject
