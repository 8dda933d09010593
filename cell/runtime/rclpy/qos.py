"""Quality of service: policies, profiles, presets, and whether two profiles match."""

from __future__ import annotations

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
    "QoSPresetProfiles",
    "QoSProfile",
    "QoSReliabilityPolicy",
    "ReliabilityPolicy",
    "qos_check_compatible",
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

    def get_c_qos_profile(self) -> QoSProfile:
        """The embedded runtime has no other form of a profile."""
        return self


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

# The presets of rmw/qos_profiles.h (ROS 2 Jazzy).
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
    liveliness=LivelinessPolicy.BEST_AVAILABLE,
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
    """Whether what a publisher offers is at least what a subscription asks for (DDS 1.4, section 2.2.3)."""
    problems = []
    best_effort, reliable = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
    if publisher_qos.reliability == best_effort and subscription_qos.reliability == reliable:
        problems.append("ERROR: Best effort publisher and reliable subscription;")
    volatile, transient = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL
    if publisher_qos.durability == volatile and subscription_qos.durability == transient:
        problems.append("ERROR: Volatile publisher and transient local subscription;")
    offered, asked = publisher_qos.deadline, subscription_qos.deadline
    if asked not in (DURATION_UNSPECIFIED, Infinite):
        if offered == DURATION_UNSPECIFIED:
            problems.append("ERROR: Subscription has a deadline, but publisher does not;")
        elif offered > asked:
            problems.append("ERROR: Subscription deadline is less than publisher deadline;")
    automatic, manual = LivelinessPolicy.AUTOMATIC, LivelinessPolicy.MANUAL_BY_TOPIC
    if publisher_qos.liveliness == automatic and subscription_qos.liveliness == manual:
        problems.append("ERROR: Publisher's liveliness is automatic and subscription's is manual by topic;")
    if problems:
        return QoSCheckCompatibleResult(QoSCompatibility.ERROR, "".join(problems))
    unspecified = (ReliabilityPolicy.SYSTEM_DEFAULT, ReliabilityPolicy.UNKNOWN)
    if publisher_qos.reliability in unspecified and subscription_qos.reliability == reliable:
        return QoSCheckCompatibleResult(
            QoSCompatibility.WARNING, "WARNING: Publisher reliability is unknown, subscription's is reliable;"
        )
    return QoSCheckCompatibleResult(QoSCompatibility.OK, "")


def _matches(offered: QoSProfile, requested: QoSProfile) -> bool:
    return qos_check_compatible(offered, requested).compatibility != QoSCompatibility.ERROR
