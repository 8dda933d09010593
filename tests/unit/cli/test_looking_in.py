"""`cell topic`, `nodes`, `param`, `service`, `action` and `interface` over a small graph in this process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cell.cli.looking.rates import Rate, with_unit
from cell.cli.looking.text import from_yaml, load_interface, to_yaml
from cell.cli.main import main
from perception.errors import InputError

DOMAIN = "73"


class Graph:
    """Two nodes that a thread spins; they live as long as a test."""

    def __init__(self) -> None:
        import rclpy
        from control_msgs.action import ParallelGripperCommand
        from rclpy.action import ActionServer
        from rclpy.executors import SingleThreadedExecutor
        from std_msgs.msg import String
        from std_srvs.srv import SetBool

        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=int(DOMAIN))
        self.node = rclpy.create_node("talker", namespace="/line", context=self.context)
        self.node.declare_parameter("belt.speed_mps", 0.2)
        self.node.declare_parameter("count", 3)
        self.node.declare_parameter("name", "spt")
        self.node.add_on_set_parameters_callback(self._judge)
        self.publisher = self.node.create_publisher(String, "chatter", 10)
        self.node.create_timer(0.01, lambda: self.publisher.publish(String(data="hello")))
        self.heard: list[str] = []
        self.node.create_subscription(String, "notes", lambda message: self.heard.append(message.data), 10)
        self.node.create_service(SetBool, "switch", self._switch)
        self.server = ActionServer(self.node, ParallelGripperCommand, "grip", self._grip)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin)
        self.thread.start()

    def close(self) -> None:
        self.executor.shutdown()
        self.context.try_shutdown()
        self.thread.join()
        self.node.destroy_node()

    def _spin(self) -> None:
        from rclpy.executors import ExternalShutdownException

        try:
            self.executor.spin()
        except ExternalShutdownException:
            return

    @staticmethod
    def _switch(request: Any, response: Any) -> Any:
        response.success, response.message = request.data, "switched"
        return response

    @staticmethod
    def _judge(parameters: list[Any]) -> Any:
        from rcl_interfaces.msg import SetParametersResult

        bad = any(parameter.name == "count" and parameter.value > 10 for parameter in parameters)
        return SetParametersResult(successful=not bad, reason="at most 10" if bad else "")

    @staticmethod
    def _grip(goal: Any) -> Any:
        from control_msgs.action import ParallelGripperCommand

        goal.publish_feedback(ParallelGripperCommand.Feedback())
        goal.succeed()
        return ParallelGripperCommand.Result(reached_goal=True)


@pytest.fixture(autouse=True)
def domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN)


@pytest.fixture
def graph() -> Iterator[Graph]:
    graph = Graph()
    yield graph
    graph.close()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(list(words))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_topics_and_types_are_listed_when_a_node_runs(graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "topic", "list", "--types")
    assert status == 0
    assert "/line/chatter [std_msgs/msg/String]" in out.splitlines()
    assert "_action" not in out


def test_the_domain_is_named_when_nobody_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "topic", "list", "--spin-time", "0.05")
    assert (status, out) == (0, "")
    assert DOMAIN in err


def test_publishers_and_readers_are_shown_when_a_topic_is_asked_for(
    graph: Graph, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "topic", "info", "/line/chatter", "--verbose")
    assert status == 0
    assert "type: std_msgs/msg/String" in out
    assert "publishers: 1\n  /line/talker  reliable, volatile, depth 10" in out
    assert "subscriptions: 0" in out


def test_one_message_is_printed_when_echo_runs_once(graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "topic", "echo", "/line/chatter", "--once")[:2] == (0, "data: hello\n---\n")
    assert run(capsys, "topic", "echo", "line/chatter", "--count", "2", "--field", "data", "--csv")[1] == (
        "hello\nhello\n"
    )


def test_echo_ends_with_status_1_when_nothing_comes(graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "topic", "echo", "/silent", "std_msgs/msg/String", "--timeout", "0.05")
    assert (status, out) == (1, "")
    assert "/silent" in err


def test_rate_and_bytes_are_measured_when_a_topic_is_published(
    graph: Graph, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "topic", "hz", "/line/chatter", "--duration", "1.1")
    assert status == 0
    assert " Hz " in out
    status, out, _ = run(capsys, "topic", "bw", "/line/chatter", "--duration", "1.1")
    assert status == 0
    # Encapsulation 4, length 4, "hello" and its zero byte.
    assert "min 14 B, max 14 B" in out or "min 16 B, max 16 B" in out


def test_a_message_arrives_when_pub_runs_once(graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "topic", "pub", "/line/notes", "std_msgs/msg/String", "{data: 7}", "--once")
    assert (status, out) == (0, "publishing #1: {data: '7'}\n")
    assert graph.heard == ["7"]


def test_pub_publishes_nothing_when_nobody_reads_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("topic", "pub", "/nobody", "std_msgs/msg/String", "--once", "--timeout", "0.05")
    status, out, err = run(capsys, *words)
    assert (status, out) == (1, "")
    assert "0 of 1 readers" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("topic", "echo", "/line/chater"), "did you mean '/line/chatter'?"),
        (("topic", "pub", "/x", "std_msgs/msg/Strin", "{}"), "no such msg type"),
        (("topic", "pub", "/x", "std_msgs/msg/String", "{date: 1}"), "date: no such field; there is data"),
        (("topic", "pub", "/x", "std_msgs/msg/String", "{data: ["), "not YAML"),
        (("topic", "pub", "/x", "std_msgs/msg/Int8", "{data: 300}"), "data: 300 does not fit int8"),
        (("nodes", "/line/talkr"), "did you mean '/line/talker'?"),
        (("param", "get", "/line/talker", "cont"), "did you mean 'count'?"),
        (("service", "call", "/line/swich", "{data: true}"), "did you mean '/line/switch'?"),
        (("service", "call", "/line/switch", "std_srvs/srv/SetBool", "{date: true}"), "no such field"),
        (("action", "send", "/line/grab", "{}"), "no such action"),
        (("interface", "show", "std_msgs/msg/Strng"), "did you mean 'std_msgs/msg/String'?"),
        (("interface", "list", "std_msg"), "did you mean 'std_msgs'?"),
    ],
)
def test_one_line_names_the_fault_when_input_is_wrong(
    graph: Graph, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str
) -> None:
    extra = () if words[0] == "interface" else ("--spin-time", "0.2")
    status, out, err = run(capsys, *words, *extra)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert expected in err


def test_what_a_node_does_is_shown_when_it_is_named(graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "nodes")[1].splitlines() == ["/line/talker"]
    out = run(capsys, "nodes", "/line/talker")[1]
    assert "    /line/chatter: std_msgs/msg/String" in out
    assert "    /line/switch: std_srvs/srv/SetBool" in out
    assert "  clients: none" in out


def test_parameters_are_read_set_and_refused_when_asked(graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    names = run(capsys, "param", "list", "/line/talker")[1].split()
    assert {"belt.speed_mps", "count", "name", "use_sim_time"} <= set(names)
    assert run(capsys, "param", "get", "/line/talker", "count")[1] == "3\n"
    assert run(capsys, "param", "set", "/line/talker", "count", "5")[:2] == (0, "count: 3 -> 5\n")
    # The parameter is a double: a whole number is meant as one.
    assert run(capsys, "param", "set", "/line/talker", "belt.speed_mps", "1")[:2] == (0, "belt.speed_mps: 0.2 -> 1.0\n")
    status, out, err = run(capsys, "param", "set", "/line/talker", "count", "11")
    assert (status, out) == (1, "")
    assert "refused count: at most 10" in err


def test_parameters_come_back_when_a_dump_is_loaded(
    graph: Graph, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "talker.yaml"
    assert run(capsys, "param", "dump", "/line/talker", "--out", str(file))[0] == 0
    document = yaml.safe_load(file.read_text())
    assert document["/line/talker"]["ros__parameters"]["belt"] == {"speed_mps": 0.2}
    document["/line/talker"]["ros__parameters"]["count"] = 7
    file.write_text(yaml.safe_dump(document))
    status, out, err = run(capsys, "param", "load", "/line/talker", str(file))
    assert status == 0, err
    assert out.startswith("1 of 1 parameters set, ")
    assert graph.node.get_parameter("count").value == 7


def test_an_answer_is_printed_when_a_service_is_called(graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "service", "call", "/line/switch", "{data: true}")[:2] == (
        0,
        "success: true\nmessage: switched\n",
    )
    assert "/line/switch [std_srvs/srv/SetBool]" in run(capsys, "service", "list", "--types")[1]


def test_feedback_and_result_are_printed_when_a_goal_is_sent(graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "action", "list", "-t")[1] == "/line/grip [control_msgs/action/ParallelGripperCommand]\n"
    status, out, _ = run(capsys, "action", "send", "/line/grip", "{command: {position: [0.04]}}", "--feedback")
    assert status == 0
    assert "feedback:\n" in out
    assert "  reached_goal: true" in out
    assert out.endswith("the goal succeeded\n")


def test_nested_fields_are_indented_when_a_type_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "interface", "show", "std_msgs/Header")[1]
    assert out == "builtin_interfaces/Time stamp\n\tint32 sec\n\tuint32 nanosec\nstring frame_id\n"
    assert "---" in run(capsys, "interface", "show", "cell_msgs/srv/StateCommand")[1]
    assert "cell_msgs/msg/CellState" in run(capsys, "interface", "list", "cell_msgs")[1].split()


def test_a_message_survives_when_it_goes_through_yaml() -> None:
    interface = load_interface("sensor_msgs/msg/JointState", "msg")
    message = from_yaml("{header: {frame_id: belt}, name: [a, b], position: [1, 2.5]}", interface)
    assert list(message.position) == [1.0, 2.5]
    assert from_yaml(to_yaml(message), interface) == message


def test_time_is_filled_in_when_a_header_is_auto() -> None:
    from builtin_interfaces.msg import Time

    now = Time(sec=12, nanosec=3)
    image = from_yaml("{header: auto, height: 2}", load_interface("sensor_msgs/msg/Image", "msg"), now=now)
    assert (image.header.stamp.sec, image.header.stamp.nanosec, image.height) == (12, 3, 2)


def test_nested_lists_are_filled_when_their_type_is_a_message() -> None:
    path = from_yaml("{poses: [{pose: {position: {x: 1}}}, {}]}", load_interface("nav_msgs/msg/Path", "msg"), now=None)
    assert path.poses[0].pose.position.x == 1.0
    with pytest.raises(InputError, match=r"poses\[1\]\.pose"):
        from_yaml("{poses: [{}, {pose: 3}]}", load_interface("nav_msgs/msg/Path", "msg"))


def test_long_sequences_are_cut_when_shown_unless_asked_for_whole() -> None:
    interface = load_interface("std_msgs/msg/UInt8MultiArray", "msg")
    message = interface(data=bytes(1000))
    assert "872 more" in to_yaml(message)
    assert "more" not in to_yaml(message, limit=None)


def test_rate_and_deviation_are_right_when_intervals_are_known() -> None:
    rate = Rate(window=10)
    for now_s in (0.0, 0.1, 0.3):
        rate.add(now_s, 1000)
    assert rate.frequency() == "6.667 Hz  (interval min 100.0 ms, max 200.0 ms, deviation 50.00 ms, 3 messages)"
    assert rate.bandwidth() == "6.67 KB/s  (message mean 1.00 KB, min 1.00 KB, max 1.00 KB, 3 messages)"
    assert with_unit(999) == "999 B"
    assert with_unit(6_220_800) == "6.22 MB"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cell top", "topic "),
        ("cell topic ec", "echo "),
        ("cell run --head", "--headless "),
        ("cell interface sh", "show "),
    ],
)
def test_the_shell_gets_candidates_when_it_asks(line: str, expected: str, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run([sys.executable, "-m", "cell.cli.main"], env=environment, check=True, timeout=60)
    assert answer.read_text().split("\v") == [expected]


def test_a_script_is_printed_when_a_shell_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        status, out, _ = run(capsys, "completion", shell)
        assert status == 0
        assert "_ARGCOMPLETE" in out
