"""Quality of service: policies, profiles, presets, and whether two profiles match."""

from __future__ import annotations

import warnings
from enum import Enum, IntEnum
from typing import Any, NamedTuple

from .duration import Duration, Infinite

__all__ = [
    "DurabilityPolicy",
    "HistoryPolicy",
    "InvalidQoSProfileException",
    "LivelinessPolicy",
    "QoSCheckCompatibleResult",
    "QoSCompatibility",
    "QoSDurabilityPolicy",
    "QoSHistoryPolicy",
    "QoSLivelinessPolicy",
    "QoSPolicyEnum",
    "QoSPolicyKind",
    "QoSPresetProfiles",
    "QoSProfile",
    "QoSReliabilityPolicy",
    "ReliabilityPolicy",
    "qos_check_compatible",
    "qos_policy_name_from_kind",
    "qos_profile_action_status_default",
    "qos_profile_best_available",
    "qos_profile_default",
    "qos_profile_parameter_events",
    "qos_profile_parameters",
    "qos_profile_rosout_default",
    "qos_profile_sensor_data",
    "qos_profile_services_default",
    "qos_profile_system_default",
    "qos_profile_unknown",
]

DURATION_UNSPECIFIED = Duration()


# Stands for "what fits the other side best" (rmw/types.h: RMW_QOS_DEADLINE_BEST_AVAILABLE).
DURATION_BEST_AVAILABLE = Duration(seconds=9223372036, nanoseconds=854775806)


class QoSPolicyKind(IntEnum):
    """The policies by the bits that events about incompatible QoS name them with (rmw/qos_policy_kind.h)."""

    INVALID = 1 << 0
    DURABILITY = 1 << 1
    DEADLINE = 1 << 2
    LIVELINESS = 1 << 3
    RELIABILITY = 1 << 4
    HISTORY = 1 << 5
    LIFESPAN = 1 << 6
    DEPTH = 1 << 7
    LIVELINESS_LEASE_DURATION = 1 << 8
    AVOID_ROS_NAMESPACE_CONVENTIONS = 1 << 9


def qos_policy_name_from_kind(policy_kind: QoSPolicyKind | int) -> str:
    """Raises ValueError for a number that is no policy's."""
    return QoSPolicyKind(policy_kind).name


class InvalidQoSProfileException(Exception):
    """A profile that says too little or contradicts itself."""

    def __init__(self, *args: object) -> None:
        super().__init__("Invalid QoSProfile", *args)


class QoSPolicyEnum(IntEnum):
    """Policies by number, with the short lower-case names of the command line."""

    @classmethod
    def short_keys(cls) -> list[str]:
        return [name.lower() for name in cls.__members__ if not name.startswith("RMW_")]

    @classmethod
    def get_from_short_key(cls, name: str) -> int:
        return cls[name.upper()].value

    @property
    def short_key(self) -> str:
        return self.name.lower()


class HistoryPolicy(QoSPolicyEnum):
    SYSTEM_DEFAULT = 0
    KEEP_LAST = 1
    KEEP_ALL = 2
    UNKNOWN = 3


class ReliabilityPolicy(QoSPolicyEnum):
    SYSTEM_DEFAULT = 0
    RELIABLE = 1
    BEST_EFFORT = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


class DurabilityPolicy(QoSPolicyEnum):
    SYSTEM_DEFAULT = 0
    TRANSIENT_LOCAL = 1
    VOLATILE = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


class LivelinessPolicy(QoSPolicyEnum):
    SYSTEM_DEFAULT = 0
    AUTOMATIC = 1
    MANUAL_BY_TOPIC = 3
    UNKNOWN = 4
    BEST_AVAILABLE = 5


QoSHistoryPolicy = HistoryPolicy
QoSReliabilityPolicy = ReliabilityPolicy
QoSDurabilityPolicy = DurabilityPolicy
QoSLivelinessPolicy = LivelinessPolicy

_NAMES = (
    "history",
    "depth",
    "reliability",
    "durability",
    "lifespan",
    "deadline",
    "liveliness",
    "liveliness_lease_duration",
    "avoid_ros_namespace_conventions",
)


class QoSProfile:
    """The policies of a publisher, a subscription, a service or a client.

    Raises:
        InvalidQoSProfileException: neither history nor depth is given, or history keeps the last without a depth.
    """

    __slots__ = tuple(f"_{name}" for name in _NAMES)

    history: HistoryPolicy
    depth: int
    reliability: ReliabilityPolicy
    durability: DurabilityPolicy
    lifespan: Duration
    deadline: Duration
    liveliness: LivelinessPolicy
    liveliness_lease_duration: Duration
    avoid_ros_namespace_conventions: bool

    def __init__(self, **kwargs: Any) -> None:
        unknown = set(kwargs) - set(_NAMES)
        if unknown:
            raise AssertionError(f"Invalid arguments passed to constructor: {', '.join(sorted(unknown))}")
        if "history" not in kwargs:
            if "depth" not in kwargs:
                raise InvalidQoSProfileException("History and/or depth settings are required.")
            kwargs["history"] = HistoryPolicy.KEEP_LAST
        if kwargs["history"] == HistoryPolicy.KEEP_LAST and "depth" not in kwargs:
            raise InvalidQoSProfileException("History set to KEEP_LAST without a depth setting.")
        values = {**_DEFAULTS, **kwargs}
        for name in _NAMES:
            setattr(self, name, values[name])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QoSProfile):
            return False
        return all(getattr(self, name) == getattr(other, name) for name in _NAMES)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in _NAMES))

    def __repr__(self) -> str:
        return f"QoSProfile({', '.join(f'{name}={getattr(self, name)!s}' for name in _NAMES)})"

    __str__ = __repr__

    def get_c_qos_profile(self) -> rmw_qos_profile_t:
        """The profile in the form that the original's C layer takes."""
        return rmw_qos_profile_t(**self._values())

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, f"_{name}") for name in _NAMES}

    def _copy(self) -> QoSProfile:
        made = QoSProfile.__new__(type(self))
        for slot in QoSProfile.__slots__:
            object.__setattr__(made, slot, getattr(self, slot))
        return made


class rmw_qos_profile_t:  # noqa: N801 (the original's name)
    """A profile as plain values; `to_dict` gives them back."""

    __slots__ = ("_policies",)

    def __init__(self, *args: Any, **policies: Any) -> None:
        """The policies in the order of `QoSProfile`, or by name."""
        self._policies = {**dict(zip(_NAMES, args, strict=False)), **policies}

    def to_dict(self) -> dict[str, Any]:
        return dict(self._policies)

    @staticmethod
    def predefined(name: str) -> rmw_qos_profile_t:
        """One of the presets, by its name in rmw (`qos_profile_default`, ...).

        Raises:
            ValueError: there is no such preset.
        """
        profile = globals().get(name)
        if not name.startswith("qos_profile_") or not isinstance(profile, QoSProfile):
            raise ValueError(f"Requested unknown rmw_qos_profile: {name}")
        return profile.get_c_qos_profile()


def _policy_property(name: str, kind: type[Any]) -> property:
    slot = f"_{name}"

    def get(self: QoSProfile) -> Any:
        return getattr(self, slot)

    def put(self: QoSProfile, value: Any) -> None:
        if kind is Duration:
            if not isinstance(value, Duration):
                raise AssertionError(f"{name} must be a Duration")
        elif issubclass(kind, QoSPolicyEnum):
            if not isinstance(value, int):
                raise AssertionError(f"{name} must be a {kind.__name__}")
            value = kind(value)
        elif not isinstance(value, kind):
            raise AssertionError(f"{name} must be a {kind.__name__}")
        elif kind is int and value == 0 and self.history is HistoryPolicy.KEEP_LAST:
            warnings.warn(
                "A depth of zero with KEEP_LAST keeps nothing; it is taken as the system's default depth", stacklevel=3
            )
        object.__setattr__(self, slot, value)

    return property(get, put)


for _name, _kind in (
    ("history", HistoryPolicy),
    ("depth", int),
    ("reliability", ReliabilityPolicy),
    ("durability", DurabilityPolicy),
    ("lifespan", Duration),
    ("deadline", Duration),
    ("liveliness", LivelinessPolicy),
    ("liveliness_lease_duration", Duration),
    ("avoid_ros_namespace_conventions", bool),
):
    setattr(QoSProfile, _name, _policy_property(_name, _kind))

_DEFAULTS: dict[str, Any] = {
    "history": HistoryPolicy.KEEP_LAST,
    "depth": 10,
    "reliability": ReliabilityPolicy.RELIABLE,
    "durability": DurabilityPolicy.VOLATILE,
    "lifespan": DURATION_UNSPECIFIED,
    "deadline": DURATION_UNSPECIFIED,
    "liveliness": LivelinessPolicy.SYSTEM_DEFAULT,
    "liveliness_lease_duration": DURATION_UNSPECIFIED,
    "avoid_ros_namespace_conventions": False,
}

# The presets of rmw/qos_profiles.h (ROS 2 Kilted).
qos_profile_unknown = QoSProfile(
    history=HistoryPolicy.UNKNOWN,
    depth=0,
    reliability=ReliabilityPolicy.UNKNOWN,
    durability=DurabilityPolicy.UNKNOWN,
    liveliness=LivelinessPolicy.UNKNOWN,
)
qos_profile_default = QoSProfile(depth=10)
qos_profile_system_default = QoSProfile(
    history=HistoryPolicy.SYSTEM_DEFAULT,
    depth=0,
    reliability=ReliabilityPolicy.SYSTEM_DEFAULT,
    durability=DurabilityPolicy.SYSTEM_DEFAULT,
)
qos_profile_sensor_data = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
qos_profile_services_default = QoSProfile(depth=10)
qos_profile_parameters = QoSProfile(depth=1000)
qos_profile_parameter_events = QoSProfile(depth=1000)
qos_profile_best_available = QoSProfile(
    depth=10,
    reliability=ReliabilityPolicy.BEST_AVAILABLE,
    durability=DurabilityPolicy.BEST_AVAILABLE,
    deadline=DURATION_BEST_AVAILABLE,
    liveliness=LivelinessPolicy.BEST_AVAILABLE,
    liveliness_lease_duration=DURATION_BEST_AVAILABLE,
)
qos_profile_action_status_default = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
qos_profile_rosout_default = QoSProfile(
    depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL, lifespan=Duration(seconds=10)
)


class QoSPresetProfiles(Enum):
    """The presets by name."""

    UNKNOWN = qos_profile_unknown
    DEFAULT = qos_profile_default
    SYSTEM_DEFAULT = qos_profile_system_default
    SENSOR_DATA = qos_profile_sensor_data
    SERVICES_DEFAULT = qos_profile_services_default
    PARAMETERS = qos_profile_parameters
    PARAMETER_EVENTS = qos_profile_parameter_events
    ACTION_STATUS_DEFAULT = qos_profile_action_status_default
    BEST_AVAILABLE = qos_profile_best_available
    ROSOUT_DEFAULT = qos_profile_rosout_default

    @classmethod
    def short_keys(cls) -> list[str]:
        return [name.lower() for name in cls.__members__]

    @classmethod
    def get_from_short_key(cls, name: str) -> QoSProfile:
        return cls[name.upper()].value


class QoSCompatibility(IntEnum):
    OK = 0
    WARNING = 1
    ERROR = 2


class QoSCheckCompatibleResult(NamedTuple):
    compatibility: QoSCompatibility
    reason: str


def qos_check_compatible(publisher_qos: QoSProfile, subscription_qos: QoSProfile) -> QoSCheckCompatibleResult:
    """Whether what a publisher offers is at least what a subscription asks for (DDS 1.4, section 2.2.3).

    Where a policy is left to the system, nobody can tell: that is a warning.
    """
    problems = []
    best_effort, reliable = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
    if publisher_qos.reliability == best_effort and subscription_qos.reliability == reliable:
        problems.append("ERROR: Best effort publisher and reliable subscription;")
    volatile, transient = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL
    if publisher_qos.durability == volatile and subscription_qos.durability == transient:
        problems.append("ERROR: Volatile publisher and transient local subscription;")
    if _is_shorter(subscription_qos.deadline, publisher_qos.deadline):
        problems.append(
            "ERROR: Subscription has a deadline, but publisher does not;"
            if _is_infinite(publisher_qos.deadline)
            else "ERROR: Subscription deadline is less than publisher deadline;"
        )
    automatic, manual = LivelinessPolicy.AUTOMATIC, LivelinessPolicy.MANUAL_BY_TOPIC
    if publisher_qos.liveliness == automatic and subscription_qos.liveliness == manual:
        problems.append("ERROR: Publisher's liveliness is automatic and subscription's is manual by topic;")
    offered, asked = publisher_qos.liveliness_lease_duration, subscription_qos.liveliness_lease_duration
    if _is_shorter(asked, offered):
        problems.append(
            "ERROR: Subscription has a liveliness lease duration, but publisher does not;"
            if _is_infinite(offered)
            else "ERROR: Subscription liveliness lease duration is less than publisher's;"
        )
    if problems:
        return QoSCheckCompatibleResult(QoSCompatibility.ERROR, "".join(problems))
    doubts = [
        f"WARNING: Publisher {policy} is {_word(offered)} and subscription {policy} is {_word(asked)};"
        for policy, offered, asked, strictest in (
            ("reliability", publisher_qos.reliability, subscription_qos.reliability, (reliable, best_effort)),
            ("durability", publisher_qos.durability, subscription_qos.durability, (transient, volatile)),
            ("liveliness", publisher_qos.liveliness, subscription_qos.liveliness, (manual, automatic)),
        )
        if _is_doubtful(offered, asked, *strictest)
    ]
    if doubts:
        return QoSCheckCompatibleResult(QoSCompatibility.WARNING, "".join(doubts))
    return QoSCheckCompatibleResult(QoSCompatibility.OK, "")


_OPEN = ("SYSTEM_DEFAULT", "UNKNOWN")


def _is_doubtful(offered: QoSPolicyEnum, asked: QoSPolicyEnum, strict: QoSPolicyEnum, lax: QoSPolicyEnum) -> bool:
    """True if it depends on what the system makes of a policy."""
    if offered.name in _OPEN:
        return asked.name in _OPEN or asked is strict
    return asked.name in _OPEN and offered is lax


def _word(policy: QoSPolicyEnum) -> str:
    return policy.name.lower().replace("_", " ")


def _is_infinite(duration: Duration) -> bool:
    return duration in (DURATION_UNSPECIFIED, DURATION_BEST_AVAILABLE, Infinite)


def _is_shorter(asked: Duration, offered: Duration) -> bool:
    return not _is_infinite(asked) and (_is_infinite(offered) or asked < offered)


def mismatch(offered: QoSProfile, requested: QoSProfile) -> QoSPolicyKind:
    """The first policy that keeps two endpoints apart, in the order in which DDS looks; INVALID where they match."""
    if (offered.reliability, requested.reliability) == (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE):
        return QoSPolicyKind.RELIABILITY
    if (offered.durability, requested.durability) == (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL):
        return QoSPolicyKind.DURABILITY
    if _is_shorter(requested.deadline, offered.deadline):
        return QoSPolicyKind.DEADLINE
    if (offered.liveliness, requested.liveliness) == (LivelinessPolicy.AUTOMATIC, LivelinessPolicy.MANUAL_BY_TOPIC):
        return QoSPolicyKind.LIVELINESS
    if _is_shorter(requested.liveliness_lease_duration, offered.liveliness_lease_duration):
        return QoSPolicyKind.LIVELINESS
    return QoSPolicyKind.INVALID


def _matches(offered: QoSProfile, requested: QoSProfile) -> bool:
    return mismatch(offered, requested) is QoSPolicyKind.INVALID


def settled_profile(profile: QoSProfile, others: list[QoSProfile], *, publisher: bool) -> QoSProfile:
    """What an endpoint really gets: the system's defaults filled in, as rmw_cyclonedds does.

    BEST_AVAILABLE becomes the strictest policy that still matches all `others` for a subscription, and the strictest
    there is for a publisher (rmw_dds_common: qos.hpp).
    """
    made = profile._copy()
    if made.history not in (HistoryPolicy.KEEP_LAST, HistoryPolicy.KEEP_ALL):
        made.history = HistoryPolicy.KEEP_LAST
    if made.history is HistoryPolicy.KEEP_LAST and made.depth == 0:
        made.depth = 1
    if made.reliability is ReliabilityPolicy.BEST_AVAILABLE:
        lax = not publisher and any(other.reliability is ReliabilityPolicy.BEST_EFFORT for other in others)
        made.reliability = ReliabilityPolicy.BEST_EFFORT if lax else ReliabilityPolicy.RELIABLE
    elif made.reliability is not ReliabilityPolicy.BEST_EFFORT:
        made.reliability = ReliabilityPolicy.RELIABLE
    if made.durability is DurabilityPolicy.BEST_AVAILABLE:
        lax = not publisher and any(other.durability is DurabilityPolicy.VOLATILE for other in others)
        made.durability = DurabilityPolicy.VOLATILE if lax else DurabilityPolicy.TRANSIENT_LOCAL
    elif made.durability is not DurabilityPolicy.TRANSIENT_LOCAL:
        made.durability = DurabilityPolicy.VOLATILE
    manual = LivelinessPolicy.MANUAL_BY_TOPIC
    if made.liveliness is LivelinessPolicy.BEST_AVAILABLE:
        found = [other.liveliness is manual for other in others]
        strict = any(found) if publisher else bool(found) and all(found)
        made.liveliness = manual if strict else LivelinessPolicy.AUTOMATIC
    elif made.liveliness is not manual:
        made.liveliness = LivelinessPolicy.AUTOMATIC
    made.deadline = _settled_duration(made.deadline, [other.deadline for other in others], publisher)
    made.liveliness_lease_duration = _settled_duration(
        made.liveliness_lease_duration, [other.liveliness_lease_duration for other in others], publisher
    )
    if made.lifespan == DURATION_UNSPECIFIED:
        made.lifespan = Infinite
    return made


def _settled_duration(duration: Duration, others: list[Duration], publisher: bool) -> Duration:
    if duration == DURATION_BEST_AVAILABLE:
        duration = min(others, default=Infinite) if publisher else max(others, default=Infinite)
    return Infinite if duration == DURATION_UNSPECIFIED else duration
