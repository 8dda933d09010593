"""Parameters of nodes: declaring, overriding, setting, callbacks, ranges, events."""

from __future__ import annotations

from typing import Any

import pytest
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterEvent,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from rclpy.parameter import Parameter, get_parameter_value, parameter_value_to_python

Type = Parameter.Type


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, Type.NOT_SET),
        (True, Type.BOOL),
        (3, Type.INTEGER),
        (3.5, Type.DOUBLE),
        ("x", Type.STRING),
        ([b"a", b"b"], Type.BYTE_ARRAY),
        ([True, False], Type.BOOL_ARRAY),
        ([1, 2], Type.INTEGER_ARRAY),
        ([1.0, 2.0], Type.DOUBLE_ARRAY),
        (["a", "b"], Type.STRING_ARRAY),
    ],
)
def test_value_survives_when_it_goes_through_a_message(value: Any, kind: Type) -> None:
    parameter = Parameter("p", value=value)
    assert parameter.type_ is kind
    message = parameter.to_parameter_msg()
    assert Parameter.from_parameter_msg(message) == parameter
    assert parameter_value_to_python(message.value) == value


def test_parameter_is_refused_when_value_does_not_fit() -> None:
    with pytest.raises(ValueError, match="do not agree"):
        Parameter("p", Type.INTEGER, 1.0)
    with pytest.raises(TypeError):
        Parameter("p", value={"a": 1})
    with pytest.raises(TypeError):
        Parameter("p", value=[1, "a"])


def test_text_becomes_a_value_when_read_as_yaml() -> None:
    assert get_parameter_value("3").integer_value == 3
    assert get_parameter_value("[1.5, 2.0]").double_array_value.tolist() == [1.5, 2.0]
    assert get_parameter_value("word").string_value == "word"


def test_override_wins_when_parameter_is_declared(graph: Any) -> None:
    node = graph.node("node", parameter_overrides=[Parameter("speed", value=2.0), Parameter("bad", value="x")])
    assert node.declare_parameter("speed", 1.0).value == 2.0
    assert node.declare_parameter("other", 1).value == 1
    assert node.declare_parameter("ignored", 1).value == 1
    with pytest.raises(InvalidParameterTypeException):
        node.declare_parameter("bad", 1)
    with pytest.raises(ParameterAlreadyDeclaredException):
        node.declare_parameter("speed", 1.0)
    with pytest.raises(InvalidParameterException):
        node.declare_parameter("", 1.0)


def test_all_overrides_are_there_when_declared_automatically(graph: Any) -> None:
    node = graph.node(
        "node",
        parameter_overrides=[Parameter("a.b", value=2.0), Parameter("a.c", value=[1, 2])],
        automatically_declare_parameters_from_overrides=True,
    )
    assert node.get_parameter("a.b").value == 2.0
    assert {name: entry.value for name, entry in node.get_parameters_by_prefix("a").items()} == {
        "b": 2.0,
        "c": [1, 2],
    }


def test_several_are_declared_when_given_as_tuples(graph: Any) -> None:
    node = graph.node("node")
    declared = node.declare_parameters("arm", [("speed", 1.0), ("name", "x", ParameterDescriptor(read_only=True))])
    assert [entry.name for entry in declared] == ["arm.speed", "arm.name"]
    assert not node.set_parameters([Parameter("arm.name", value="y")])[0].successful
    with pytest.raises(TypeError):
        node.declare_parameters("", [(1, 2)])


def test_reading_is_refused_when_undeclared_or_unset(graph: Any) -> None:
    node = graph.node("node")
    with pytest.raises(ParameterNotDeclaredException):
        node.get_parameter("nope")
    with pytest.raises(ParameterNotDeclaredException):
        node.set_parameters([Parameter("nope", value=1)])
    assert node.get_parameter_or("nope", Parameter("nope", value=4)).value == 4
    assert node.get_parameter_or("nope").type_ is Type.NOT_SET
    node.declare_parameter("typed", Type.INTEGER)
    with pytest.raises(ParameterUninitializedException):
        node.get_parameter("typed")
    node.set_parameters([Parameter("typed", value=3)])
    assert node.get_parameter("typed").value == 3


def test_undeclared_are_taken_when_allowed(graph: Any) -> None:
    node = graph.node("node", allow_undeclared_parameters=True)
    assert node.get_parameter("x").type_ is Type.NOT_SET
    assert node.set_parameters([Parameter("x", value=3)])[0].successful
    assert node.get_parameter("x").value == 3
    node.undeclare_parameter("x")
    assert not node.has_parameter("x")


def test_type_is_kept_when_set_statically(graph: Any) -> None:
    node = graph.node("node")
    node.declare_parameter("static", 1)
    node.declare_parameter("dynamic", 1, ParameterDescriptor(dynamic_typing=True))
    results = node.set_parameters([Parameter("static", value="x"), Parameter("dynamic", value="x")])
    assert [result.successful for result in results] == [False, True]
    assert results[0].reason == "Wrong parameter type, expected 'Type.INTEGER' got 'Type.STRING'"
    assert node.set_parameters([Parameter("static")])[0].reason == "Static parameter cannot be undeclared"


def test_ranges_hold_when_declared_and_set(graph: Any) -> None:
    node = graph.node("node")
    integers = ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=10, step=2)])
    floats = ParameterDescriptor(floating_point_range=[FloatingPointRange(from_value=0.0, to_value=1.0, step=0.1)])
    node.declare_parameter("i", 4, integers)
    node.declare_parameter("f", 0.3, floats)
    values = [("i", 6), ("i", 5), ("i", 11), ("f", 0.7), ("f", 0.75), ("f", 1.0)]
    results = [node.set_parameters([Parameter(name, value=value)])[0].successful for name, value in values]
    assert results == [True, False, False, True, False, True]
    with pytest.raises(InvalidParameterValueException):
        node.declare_parameter("j", 3, ParameterDescriptor(integer_range=integers.integer_range))


def test_callbacks_decide_and_hear_when_parameters_are_set(graph: Any) -> None:
    node = graph.node("node")
    node.declare_parameters("", [("a", 1), ("b", 1)])
    log: list[Any] = []

    def check(parameters: list[Parameter[Any]]) -> SetParametersResult:
        log.append([entry.name for entry in parameters])
        bad = any(entry.value > 5 for entry in parameters)
        return SetParametersResult(successful=not bad, reason="too large" if bad else "")

    node.add_on_set_parameters_callback(check)
    node.add_post_set_parameters_callback(lambda parameters: log.append("set"))
    result = node.set_parameters_atomically([Parameter("a", value=2), Parameter("b", value=9)])
    assert (result.successful, result.reason) == (False, "too large")
    assert node.get_parameter("a").value == 1
    assert node.set_parameters_atomically([Parameter("a", value=2), Parameter("b", value=3)]).successful
    assert log == [["a", "b"], ["a", "b"], "set"]
    node.remove_on_set_parameters_callback(check)
    assert node.set_parameters([Parameter("a", value=9)])[0].successful


def test_pre_set_callback_changes_the_list_when_called(graph: Any) -> None:
    node = graph.node("node")
    node.declare_parameters("", [("a", 1), ("b", 1)])
    node.add_pre_set_parameters_callback(lambda parameters: [*parameters, Parameter("b", value=7)])
    node.set_parameters([Parameter("a", value=2)])
    assert [entry.value for entry in node.get_parameters(["a", "b"])] == [2, 7]


def test_event_is_published_when_somebody_listens(graph: Any) -> None:
    events: list[ParameterEvent] = []
    node = graph.node("node")
    graph.node("listener").create_subscription(ParameterEvent, "/parameter_events", events.append, 100)
    node.declare_parameter("a", 1)
    node.set_parameters([Parameter("a", value=2)])
    node.undeclare_parameter("a")
    node.declare_parameter("b", 1, ParameterDescriptor(dynamic_typing=True))
    node.set_parameters([Parameter("b")])
    graph.executor.spin_until_idle()
    kinds = [
        (len(event.new_parameters), len(event.changed_parameters), len(event.deleted_parameters)) for event in events
    ]
    # As in the original, undeclaring says nothing, and unsetting does.
    assert kinds == [(1, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]
    assert events[1].node == "/node" and events[1].changed_parameters[0].value.integer_value == 2
