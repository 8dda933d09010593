"""Who hears of changed parameters, and what callbacks of a node may do to them."""

from __future__ import annotations

from typing import Any

import pytest
from rcl_interfaces.msg import IntegerRange, ParameterDescriptor, ParameterEvent, SetParametersResult
from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterImmutableException,
)
from rclpy.parameter import Parameter
from rclpy.parameter_event_handler import ParameterEventHandler


def test_callbacks_run_last_first_when_parameter_changes(graph: Any) -> None:
    node = graph.node("node", namespace="/line")
    node.declare_parameter("speed", 1)
    handler = ParameterEventHandler(graph.node("listener", namespace="/line"))
    log: list[Any] = []
    handler.add_parameter_callback("speed", "node", lambda found: log.append(("first", found.value.integer_value)))
    second = handler.add_parameter_callback("speed", "/line/node", lambda found: log.append("second"))
    handler.add_parameter_callback("speed", "/other", lambda found: log.append("never"))
    handler.add_parameter_event_callback(lambda event: log.append(event.node))
    node.set_parameters([Parameter("speed", value=2)])
    graph.executor.spin_until_idle()
    assert log == ["second", ("first", 2), "/line/node"]
    handler.remove_parameter_callback(second)
    with pytest.raises(RuntimeError, match="exist"):
        handler.remove_parameter_callback(second)
    log.clear()
    node.set_parameters([Parameter("speed", value=3)])
    graph.executor.spin_until_idle()
    assert log == [("first", 3), "/line/node"]


def test_callback_may_remove_itself_when_it_runs(graph: Any) -> None:
    node = graph.node("node")
    node.declare_parameter("speed", 1)
    handler = ParameterEventHandler(node)
    seen: list[int] = []

    def once(event: ParameterEvent) -> None:
        seen.append(len(event.changed_parameters))
        handler.remove_parameter_event_callback(handle)

    handle = handler.add_parameter_event_callback(once)
    node.set_parameters([Parameter("speed", value=2)])
    node.set_parameters([Parameter("speed", value=3)])
    graph.executor.spin_until_idle()
    assert seen == [1]
    handler.destroy()


def test_only_named_nodes_are_heard_when_filter_is_set(graph: Any) -> None:
    first, second = graph.node("first"), graph.node("second")
    handler = ParameterEventHandler(graph.node("listener"))
    heard: list[str] = []
    handler.add_parameter_event_callback(lambda event: heard.append(event.node))
    first.declare_parameter("a", 1)
    second.declare_parameter("a", 1)
    assert handler.configure_nodes_filter(["/second"])
    first.set_parameters([Parameter("a", value=2)])
    second.set_parameters([Parameter("a", value=2)])
    graph.executor.spin_until_idle()
    assert heard == ["/second", "/second"]
    assert handler.configure_nodes_filter()
    first.set_parameters([Parameter("a", value=3)])
    graph.executor.spin_until_idle()
    assert heard[2:] == ["/first"]


def test_event_names_all_when_several_are_set_at_once(graph: Any) -> None:
    events: list[ParameterEvent] = []
    node = graph.node("node", allow_undeclared_parameters=True)
    graph.node("listener").create_subscription(ParameterEvent, "/parameter_events", events.append, 100)
    node.set_parameters_atomically([Parameter("a", value=1), Parameter("b", value="x")])
    node.set_parameters_atomically([Parameter("a", value=2), Parameter("b"), Parameter("c", value=True)])
    graph.executor.spin_until_idle()
    assert [entry.name for entry in events[0].new_parameters] == ["a", "b"]
    last = events[1]
    named = [
        [entry.name for entry in group]
        for group in (last.new_parameters, last.changed_parameters, last.deleted_parameters)
    ]
    assert named == [["c"], ["a"], ["b"]]
    assert not node.has_parameter("b") and node.describe_parameter("a").dynamic_typing


def test_last_callback_is_asked_first_when_several_check(graph: Any) -> None:
    node = graph.node("node")
    node.declare_parameter("a", 1)
    asked: list[str] = []

    def check(name: str, good: bool) -> Any:
        def callback(parameters: list[Parameter[Any]]) -> SetParametersResult:
            asked.append(name)
            return SetParametersResult(successful=good, reason=name)

        return callback

    refuse = check("refuses", False)
    node.add_on_set_parameters_callback(check("agrees", True))
    node.add_on_set_parameters_callback(refuse)
    assert node.set_parameters([Parameter("a", value=2)])[0].reason == "refuses"
    assert asked == ["refuses"]
    with pytest.raises(InvalidParameterValueException, match="refuses"):
        node.declare_parameter("b", 1)
    node.remove_on_set_parameters_callback(refuse)
    assert node.set_parameters([Parameter("a", value=2)])[0].successful
    with pytest.raises(ValueError, match=r"not in list|x not"):
        node.remove_on_set_parameters_callback(refuse)


def test_nothing_is_set_when_pre_set_callback_empties_the_list(graph: Any) -> None:
    node = graph.node("node")
    node.declare_parameter("a", 1)
    node.add_pre_set_parameters_callback(lambda parameters: [])
    result = node.set_parameters([Parameter("a", value=2)])[0]
    assert not result.successful and "cannot be empty" in result.reason
    assert node.declare_parameter("b", 1).value == 1


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        (("a", Parameter.Type.NOT_SET), ValueError),
        (("a", Parameter.Type.INTEGER, ParameterDescriptor(dynamic_typing=True)), ValueError),
        (("a", 1, "no descriptor"), TypeError),
        ((1, 1), TypeError),
        ((), TypeError),
        (("a", 1, ParameterDescriptor(), 4), TypeError),
        (("a", {"no": "value"}), TypeError),
        (("", 1), InvalidParameterException),
        (("a", 11, ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=10)])), Exception),
    ],
)
def test_declaration_is_refused_when_tuple_is_bad(graph: Any, entry: Any, error: type[Exception]) -> None:
    node = graph.node("node")
    with pytest.raises(error):
        node.declare_parameters("", [entry])
    assert not node.has_parameter("a")


def test_user_is_warned_when_only_a_name_is_declared(graph: Any) -> None:
    node = graph.node("node", parameter_overrides=[Parameter("b", value=4)])
    with pytest.warns(UserWarning, match="deprecated"):
        assert node.declare_parameter("a").value is None
    with pytest.warns(UserWarning, match="deprecated"):
        assert node.declare_parameter("b").value == 4
    assert node.get_parameter("a").type_ == Parameter.Type.NOT_SET
    assert node.describe_parameter("b").dynamic_typing


def test_type_stands_when_declared_without_a_value(graph: Any) -> None:
    node = graph.node("node", parameter_overrides=[Parameter("b", value="x")])
    node.declare_parameter("a", Parameter.Type.DOUBLE)
    assert node.get_parameter_or("a", Parameter("a", value=1.5)).value == 1.5
    assert not node.set_parameters([Parameter("a", value=1)])[0].successful
    with pytest.raises(InvalidParameterTypeException, match="expecting type 'DOUBLE'"):
        node.declare_parameter("b", Parameter.Type.DOUBLE)


def test_descriptor_is_replaced_when_value_complies(graph: Any) -> None:
    node = graph.node("node")
    node.declare_parameter("a", 5)
    node.declare_parameter("fixed", 5, ParameterDescriptor(read_only=True))
    narrow = ParameterDescriptor(type=2, integer_range=[IntegerRange(from_value=0, to_value=3)])
    with pytest.raises(InvalidParameterValueException):
        node.set_descriptor("a", narrow)
    assert node.set_descriptor("a", narrow, Parameter("a", value=2).get_parameter_value()).integer_value == 2
    assert node.describe_parameter("a").integer_range[0].to_value == 3
    with pytest.raises(ParameterImmutableException):
        node.set_descriptor("fixed", ParameterDescriptor())
    with pytest.raises(ParameterImmutableException):
        node.undeclare_parameter("fixed")
