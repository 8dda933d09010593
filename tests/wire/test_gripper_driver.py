"""The 2F-85's driver against its emulator, on the wire in memory."""

from __future__ import annotations

from typing import cast

import pytest

from cell.drivers.crc import with_crc
from cell.drivers.interfaces import Gripper, GripperStatus
from cell.drivers.registry import DeviceSpec
from sim.emulators.line_faults import LineQuality, NoisyLine
from sim.emulators.slave import Delivery

SPEC = DeviceSpec("gripper", "robotiq_2f85", "sim:gripper", unit=9)


def gripper_of(bench, ready: bool = True) -> Gripper:
    gripper = cast(Gripper, bench.devices.open(SPEC))
    if ready:
        gripper.activate()
        bench.wait(lambda: gripper.status is not None and gripper.status.value.activated)
    return gripper


def value_of(gripper: Gripper) -> GripperStatus:
    reading = gripper.status
    assert reading is not None
    assert reading.good
    return reading.value


def asked(bench, frame: str) -> bytes:
    """What the emulator answers to raw bytes, checksum not counted."""
    slave = bench.slaves["gripper"]
    bench.now_s += 0.005  # silence before a frame
    slave.feed(with_crc(bytes.fromhex(frame)), bench.now_s)
    bench.now_s += 0.002
    return slave.poll(bench.now_s)[0][:-2]


def test_emulator_says_the_golden_status_when_opened_to_position_13(bench) -> None:
    asked(bench, "09 10 03E8 0003 06 0100 0000 0000")
    while bench.gripper.state != 3:
        bench.now_s += 0.02
        bench.slaves["gripper"].poll(bench.now_s)
    asked(bench, "09 10 03E8 0003 06 0900 0000 FFFF")
    bench.world.gripper.width_m = 0.085 * (255 - 13) / 255
    slave = bench.slaves["gripper"]
    bench.now_s += 0.005
    slave.feed(bytes.fromhex("09 04 07D0 0003 B1CE"), bench.now_s)
    assert slave.poll(bench.now_s + 0.002)[0] == bytes.fromhex("09 04 06 F900 0000 0D00 17AA")
    bench.now_s += 0.1
    slave.feed(bytes.fromhex("09 10 03E8 0003 06 0900 00FF FFFF 4229"), bench.now_s)
    assert slave.poll(bench.now_s + 0.002)[0] == bytes.fromhex("09 10 03E8 0003 0130")
    assert bench.world.gripper.commands[-1] == (0.0, 0.15, 235.0)


def test_driver_sends_the_golden_frames_when_it_asks_and_closes(bench) -> None:
    sent = []
    slave = bench.slaves["gripper"]
    taken = slave.feed
    slave.feed = lambda data, now: (sent.append(data), taken(data, now))
    gripper = gripper_of(bench)
    assert sent[0] == bytes.fromhex("09 04 07D0 0003 B1CE")
    gripper.move(0.0, speed_mps=1.0, force_n=1000.0)
    bench.run(0.03)
    assert bytes.fromhex("09 10 03E8 0003 06 0900 00FF FFFF 4229") in sent


def test_gripper_is_ready_after_about_a_second_when_activated(bench) -> None:
    gripper = gripper_of(bench, ready=False)
    bench.run(0.1)
    assert not value_of(gripper).activated
    started_s = bench.now_s
    gripper.activate()
    bench.wait(lambda: value_of(gripper).activated)
    assert 0.9 < bench.now_s - started_s < 2.0
    assert value_of(gripper).width_m == pytest.approx(0.085)
    assert gripper.error is None


def test_grip_is_kept_when_an_active_gripper_is_activated_again(bench) -> None:
    gripper = gripper_of(bench)
    bench.world.gripper.part_m = 0.04
    gripper.move(0.0, speed_mps=0.15, force_n=60.0)
    bench.wait(lambda: not value_of(gripper).moving)
    commands = len(bench.world.gripper.commands)
    gripper.activate()
    bench.run(0.5)
    assert len(bench.world.gripper.commands) == commands
    assert value_of(gripper).object_detected


def test_command_is_clamped_and_rounded_when_out_of_range(bench) -> None:
    gripper = gripper_of(bench)
    sent = gripper.move(0.2, speed_mps=9.0, force_n=1.0)
    assert (sent.width_m, sent.speed_mps, sent.force_n) == (0.085, 0.15, 20.0)
    sent = gripper.move(0.0301, speed_mps=0.1, force_n=100.0)
    assert sent.width_m == pytest.approx(0.0301, abs=0.085 / 510)
    bench.run(0.05)
    assert bench.world.gripper.commands[-1] == pytest.approx((sent.width_m, sent.speed_mps, sent.force_n))


def test_part_is_detected_at_its_width_when_the_fingers_close_on_it(bench) -> None:
    gripper = gripper_of(bench)
    bench.world.gripper.part_m = 0.035
    gripper.move(0.0, speed_mps=0.15, force_n=60.0)
    started_s = bench.now_s
    bench.wait(lambda: not value_of(gripper).moving)
    status = value_of(gripper)
    assert status.object_detected
    assert not status.at_request
    assert status.width_m == pytest.approx(0.035, abs=0.0005)
    # 50 mm at 150 mm/s, then at most one status period and its transactions.
    assert 0.333 < bench.now_s - started_s < 0.39


def test_lost_part_shows_as_request_reached_when_it_slips_out(bench) -> None:
    gripper = gripper_of(bench)
    bench.world.gripper.part_m = 0.035
    gripper.move(0.0, speed_mps=0.15, force_n=60.0)
    bench.wait(lambda: value_of(gripper).object_detected)
    bench.world.gripper.lose_part()
    bench.wait(lambda: value_of(gripper).at_request)
    assert not value_of(gripper).object_detected


def test_move_is_not_finished_by_an_older_status_when_it_was_just_asked(bench) -> None:
    gripper = gripper_of(bench)
    bench.run(0.1)
    assert value_of(gripper).at_request
    gripper.move(0.02, speed_mps=0.15, force_n=60.0)
    status = value_of(gripper)
    assert status.moving
    assert not status.at_request
    assert status.requested_width_m == pytest.approx(0.02, abs=0.0002)


def test_same_move_again_is_not_finished_before_its_acknowledgement_when_the_echo_matches_already(bench) -> None:
    gripper = gripper_of(bench)
    gripper.move(0.085, speed_mps=0.15, force_n=60.0)
    bench.run(0.1)
    assert value_of(gripper).at_request
    bench.slaves["gripper"].fault = lambda reply, now: ()
    gripper.move(0.085, speed_mps=0.15, force_n=60.0)
    bench.run(0.05)
    status = gripper.status
    assert status is not None
    assert status.value.moving


def test_newest_move_wins_when_several_are_asked_at_once(bench) -> None:
    gripper = gripper_of(bench)
    for width_m in (0.01, 0.02, 0.05):
        gripper.move(width_m, speed_mps=0.15, force_n=60.0)
    bench.wait(lambda: not value_of(gripper).moving)
    assert value_of(gripper).width_m == pytest.approx(0.05, abs=0.0003)
    assert len([command for command in bench.world.gripper.commands if command[0] < 0.019 and command[2] > 21]) == 0


def test_move_waits_for_the_activation_when_asked_before_it_ends(bench) -> None:
    gripper = gripper_of(bench, ready=False)
    gripper.activate()
    bench.run(0.1)
    gripper.move(0.03, speed_mps=0.15, force_n=60.0)
    bench.run(0.1)
    assert value_of(gripper).moving
    bench.wait(lambda: not value_of(gripper).moving)
    assert value_of(gripper).width_m == pytest.approx(0.03, abs=0.0003)


def test_move_is_refused_and_never_sent_later_when_not_activated(bench) -> None:
    gripper = gripper_of(bench, ready=False)
    bench.run(0.1)
    gripper.move(0.0, speed_mps=0.15, force_n=60.0)
    assert gripper.error is not None
    assert "not activated" in gripper.error
    gripper.activate()
    bench.wait(lambda: value_of(gripper).activated)
    bench.run(0.2)
    assert value_of(gripper).width_m == pytest.approx(0.085)


@pytest.mark.parametrize(("frame", "fault"), [("09 10 03E8 0001 02 0800", 7), ("09 10 03E8 0001 02 0900", 5)])
def test_emulator_reports_the_fault_when_the_order_is_wrong(bench, frame: str, fault: int) -> None:
    asked(bench, frame)
    assert asked(bench, "09 04 07D0 0003")[5] == fault


def test_delayed_action_is_done_when_the_activation_ends(bench) -> None:
    asked(bench, "09 10 03E8 0003 06 0900 0080 FFFF")
    for _ in range(200):
        bench.now_s += 0.02
        status = asked(bench, "09 04 07D0 0003")
    assert status[3:] == bytes.fromhex("F900 0080 8000")


def test_silence_fault_is_reported_and_cleared_when_the_master_comes_back(bench) -> None:
    gripper = gripper_of(bench)
    bench.world.gripper.part_m = 0.04
    gripper.move(0.0, speed_mps=0.15, force_n=60.0)
    bench.wait(lambda: value_of(gripper).object_detected)
    commands = list(bench.world.gripper.commands)
    seen = set()
    bench.now_s += 1.5
    for _ in range(60):
        bench.run(0.005)
        assert gripper.status is not None
        seen.add(gripper.status.value.fault)
    assert seen == {0, 9}
    assert gripper.error is None
    # The write that cleared it said only what the gripper does already.
    assert {command[0] for command in bench.world.gripper.commands[len(commands) :]} <= {0.0}
    assert value_of(gripper).object_detected


@pytest.mark.parametrize(
    "frame", ["09 04 07D1 0003", "09 04 0000 0001", "09 06 07D0 0001", "09 10 03EA 0002 04 00000000"]
)
def test_emulator_refuses_when_the_address_is_not_its_own(bench, frame: str) -> None:
    reply = asked(bench, frame)
    assert (reply[1] & 0x80, reply[2]) == (0x80, 2)


def test_gripper_is_disconnected_and_its_status_not_good_when_it_stops_answering(bench) -> None:
    gripper = gripper_of(bench)
    bench.slaves["gripper"].fault = lambda reply, now: ()
    bench.run(0.5)
    assert not gripper.connected
    assert gripper.error == "no reply"
    assert gripper.status is not None
    assert not gripper.status.good
    bench.slaves["gripper"].fault = None
    bench.run(0.3)
    assert gripper.connected
    assert gripper.error is None


def test_gripping_works_when_the_line_is_bad(bench) -> None:
    gripper = gripper_of(bench)
    noise = NoisyLine(LineQuality(late=0.01, late_s=(0.11, 0.3), noisy=0.05, flipped=0.02, lost=0.01), seed=3)
    bench.slaves["gripper"].fault = noise
    for turn in range(20):
        width_m = 0.02 if turn % 2 else 0.07
        gripper.move(width_m, speed_mps=0.15, force_n=60.0)
        bench.wait(lambda: gripper.status is not None and not gripper.status.value.moving)
        assert gripper.status is not None
        assert gripper.status.value.width_m == pytest.approx(width_m, abs=0.0003)
    assert noise.counts["noisy"] > 5


def test_move_that_was_not_taken_is_an_error_and_is_not_repeated_when_the_line_is_back(bench) -> None:
    gripper = gripper_of(bench)
    slave = bench.slaves["gripper"]
    taken = slave.feed
    slave.feed = lambda data, now: None if data[1] == 16 else taken(data, now)
    gripper.move(0.0, speed_mps=0.15, force_n=60.0)
    bench.run(1.0)
    assert gripper.error is not None
    assert "not taken" in gripper.error
    slave.feed = taken
    bench.run(1.0)
    assert value_of(gripper).moving
    assert value_of(gripper).width_m == pytest.approx(0.085)
    slave.fault = lambda reply, now: (Delivery(0.0, reply),)
    gripper.move(0.05, speed_mps=0.15, force_n=60.0)
    bench.wait(lambda: not value_of(gripper).moving)
    assert gripper.error is None
