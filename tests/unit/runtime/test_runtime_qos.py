"""QoS profiles, what endpoints make of them, and history in its corner cases."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from rclpy.duration import Duration, Infinite
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSCompatibility,
    QoSPolicyKind,
    QoSPresetProfiles,
    QoSProfile,
    ReliabilityPolicy,
    mismatch,
    qos_check_compatible,
    qos_policy_name_from_kind,
    qos_profile_best_available,
    qos_profile_system_default,
    rmw_qos_profile_t,
    settled_profile,
)
from std_msgs.msg import Int32

AUTOMATIC, MANUAL = LivelinessPolicy.AUTOMATIC, LivelinessPolicy.MANUAL_BY_TOPIC


def full(**changes: Any) -> QoSProfile:
    return QoSProfile(**{"depth": 1, "liveliness": AUTOMATIC, **changes})


def test_profile_survives_when_it_goes_through_its_lower_form() -> None:
    for preset in QoSPresetProfiles:
        assert QoSProfile(**preset.value.get_c_qos_profile().to_dict()) == preset.value
    assert rmw_qos_profile_t.predefined("qos_profile_sensor_data").to_dict()["depth"] == 5
    with pytest.raises(ValueError, match="unknown"):
        rmw_qos_profile_t.predefined("nonsense")


def test_zero_depth_is_warned_of_when_the_last_are_kept() -> None:
    with pytest.warns(UserWarning, match="depth of zero"):
        profile = QoSProfile(depth=0)
    assert settled_profile(profile, [], publisher=True).depth == 1


@pytest.mark.parametrize(
    ("offered", "asked", "kind"),
    [
        (full(reliability=ReliabilityPolicy.BEST_EFFORT), full(), QoSPolicyKind.RELIABILITY),
        (full(), full(durability=DurabilityPolicy.TRANSIENT_LOCAL), QoSPolicyKind.DURABILITY),
        (full(), full(deadline=Duration(seconds=1)), QoSPolicyKind.DEADLINE),
        (full(deadline=Duration(seconds=2)), full(deadline=Duration(seconds=1)), QoSPolicyKind.DEADLINE),
        (full(), full(liveliness=MANUAL), QoSPolicyKind.LIVELINESS),
        (full(), full(liveliness_lease_duration=Duration(seconds=1)), QoSPolicyKind.LIVELINESS),
    ],
)
def test_first_mismatch_is_named_when_profiles_do_not_fit(
    offered: QoSProfile, asked: QoSProfile, kind: QoSPolicyKind
) -> None:
    assert mismatch(offered, asked) is kind
    result = qos_check_compatible(offered, asked)
    assert result.compatibility is QoSCompatibility.ERROR and result.reason.startswith("ERROR:")
    assert mismatch(asked, offered) is QoSPolicyKind.INVALID
    assert qos_check_compatible(asked, offered).compatibility is QoSCompatibility.OK
    assert qos_policy_name_from_kind(int(kind)) == kind.name


def test_doubt_is_a_warning_when_the_system_decides() -> None:
    compatibility, reason = qos_check_compatible(qos_profile_system_default, full())
    assert compatibility is QoSCompatibility.WARNING and "system default" in reason
    assert qos_check_compatible(full(), full())[1] == ""


def test_every_settled_profile_is_definite_when_policies_are_left_open() -> None:
    for reliability, durability, liveliness in itertools.product(ReliabilityPolicy, DurabilityPolicy, LivelinessPolicy):
        profile = QoSProfile(
            history=HistoryPolicy.SYSTEM_DEFAULT,
            depth=0,
            reliability=reliability,
            durability=durability,
            liveliness=liveliness,
        )
        for publisher in (True, False):
            made = settled_profile(profile, [], publisher=publisher)
            assert made.history is HistoryPolicy.KEEP_LAST and made.depth == 1
            assert made.reliability in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)
            assert made.durability in (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL)
            assert made.liveliness in (AUTOMATIC, MANUAL)
            assert made.deadline == made.lifespan == made.liveliness_lease_duration == Infinite


def test_best_available_subscription_matches_when_publishers_are_there(graph: Any) -> None:
    node = graph.node("node")
    weak = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT, deadline=Duration(seconds=3))
    got: list[int] = []
    publisher = node.create_publisher(Int32, "x", weak)
    node.create_subscription(Int32, "x", lambda message: got.append(message.data), qos_profile_best_available)
    (info,) = node.get_subscriptions_info_by_topic("x")
    assert info.qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT
    assert info.qos_profile.durability is DurabilityPolicy.VOLATILE
    assert info.qos_profile.deadline == Duration(seconds=3)
    publisher.publish(Int32(data=4))
    graph.executor.spin_until_idle()
    assert got == [4]


def test_late_reader_gets_the_last_samples_when_durability_keeps_them(graph: Any) -> None:
    node = graph.node("node")
    keeping = QoSProfile(depth=3, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = node.create_publisher(Int32, "x", keeping)
    for number in range(5):
        publisher.publish(Int32(data=number))
    for depth, expected in ((10, [2, 3, 4]), (2, [3, 4])):
        got: list[int] = []
        late = QoSProfile(depth=depth, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(Int32, "x", lambda message, got=got: got.append(message.data), late)
        volatile: list[int] = []
        node.create_subscription(Int32, "x", lambda message, got=volatile: got.append(message.data), 10)
        graph.executor.spin_until_idle()
        assert got == expected and volatile == []


def test_everything_is_kept_for_late_readers_when_history_keeps_all(graph: Any) -> None:
    node = graph.node("node")
    keeping = QoSProfile(history=HistoryPolicy.KEEP_ALL, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = node.create_publisher(Int32, "x", keeping)
    for number in range(300):
        publisher.publish(Int32(data=number))
    got: list[int] = []
    node.create_subscription(Int32, "x", lambda message: got.append(message.data), keeping)
    graph.executor.spin_until_idle()
    assert got == list(range(300))
