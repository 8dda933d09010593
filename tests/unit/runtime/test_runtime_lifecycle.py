"""Managed nodes: transitions, their callbacks and errors, services and events."""

from __future__ import annotations

from typing import Any

import pytest
from lifecycle_msgs.msg import TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from rclpy.lifecycle import (
    LifecycleNode,
    LifecycleState,
    ManagedEntity,
    SimpleManagedEntity,
    TransitionCallbackReturn,
)
from std_msgs.msg import String

SUCCESS, FAILURE, ERROR = TransitionCallbackReturn


class Scripted(LifecycleNode):
    """Answers its callbacks as a test says, and notes them."""

    def __init__(self, name: str, answers: dict[str, Any] | None = None, **options: Any) -> None:
        self.answers = answers or {}
        self.calls: list[tuple[str, str]] = []
        super().__init__(name, **options)

    def answer(self, callback: str, state: LifecycleState) -> TransitionCallbackReturn:
        self.calls.append((callback, state.label))
        answer = self.answers.get(callback, SUCCESS)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("configure", state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("cleanup", state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("activate", state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("deactivate", state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("shutdown", state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.answer("error", state)

    @property
    def state(self) -> str:
        return self._state_machine.current_state[1]


def make(graph: Any, kind: type[Any] = Scripted, **options: Any) -> Any:
    node = kind("managed", context=graph.context, **options)
    graph.nodes.append(node)
    graph.executor.add_node(node)
    return node


def test_node_goes_through_its_states_when_all_callbacks_succeed(graph: Any) -> None:
    node = make(graph)
    states = [node.state]
    for step in ("configure", "activate", "deactivate", "cleanup", "shutdown"):
        assert getattr(node, f"trigger_{step}")() is SUCCESS
        states.append(node.state)
    assert states == ["unconfigured", "inactive", "active", "inactive", "unconfigured", "finalized"]
    assert node.calls == [
        ("configure", "unconfigured"),
        ("activate", "inactive"),
        ("deactivate", "active"),
        ("cleanup", "inactive"),
        ("shutdown", "unconfigured"),
    ]


@pytest.mark.parametrize(
    ("callback", "before", "after"),
    [
        ("configure", [], "unconfigured"),
        ("activate", ["configure"], "inactive"),
        ("deactivate", ["configure", "activate"], "active"),
        ("cleanup", ["configure"], "inactive"),
        ("shutdown", ["configure"], "finalized"),
    ],
)
def test_node_stays_when_callback_fails(graph: Any, callback: str, before: list[str], after: str) -> None:
    node = make(graph, answers={callback: FAILURE})
    for step in before:
        getattr(node, f"trigger_{step}")()
    assert getattr(node, f"trigger_{callback}")() is FAILURE
    assert node.state == after


@pytest.mark.parametrize("fault", [ERROR, ValueError("broken drive"), None, "yes"])
@pytest.mark.parametrize(
    ("recovery", "after"), [(SUCCESS, "unconfigured"), (FAILURE, "finalized"), (ERROR, "finalized")]
)
def test_error_processing_decides_when_callback_errs(graph: Any, fault: Any, recovery: Any, after: str) -> None:
    node = make(graph, answers={"activate": fault, "error": recovery})
    node.trigger_configure()
    assert node.trigger_activate() is ERROR
    assert node.calls[-1] == ("error", "inactive")
    assert node.state == after


def test_transition_is_refused_when_state_does_not_allow_it(graph: Any) -> None:
    node = make(graph)
    with pytest.raises(RuntimeError, match="Transition is not registered"):
        node.trigger_activate()
    assert node.trigger_shutdown() is SUCCESS
    with pytest.raises(RuntimeError):
        node.trigger_shutdown()
    assert node.state == "finalized"


def test_entities_follow_in_order_when_node_changes(graph: Any) -> None:
    asked: list[str] = []

    class Part(ManagedEntity):
        def __init__(self, name: str, answer: TransitionCallbackReturn) -> None:
            self.name, self.answer = name, answer

        def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
            asked.append(self.name)
            return self.answer

    node = make(graph, LifecycleNode)
    for name, answer in (("first", SUCCESS), ("second", FAILURE), ("third", SUCCESS)):
        node.add_managed_entity(Part(name, answer))
    assert node.trigger_configure() is FAILURE
    assert asked == ["first", "second"]


def test_publisher_is_silent_when_node_is_not_active(graph: Any) -> None:
    node = make(graph, LifecycleNode)
    got: list[str] = []
    graph.node("listener").create_subscription(String, "/words", lambda message: got.append(message.data), 10)
    publisher = node.create_lifecycle_publisher(String, "/words", 10)
    for word, step in (("early", "configure"), ("inactive", "activate"), ("active", "deactivate"), ("late", "cleanup")):
        publisher.publish(String(data=word))
        assert publisher.is_activated == (word == "active")
        getattr(node, f"trigger_{step}")()
    graph.executor.spin_until_idle()
    assert got == ["active"]
    assert node.destroy_lifecycle_publisher(publisher)
    assert node.trigger_configure() is SUCCESS
    with pytest.raises(TypeError):
        node.create_lifecycle_publisher(String, "/words", 10, publisher_class=object)


def test_fallback_runs_when_entity_is_not_enabled() -> None:
    class Lamp(SimpleManagedEntity):
        @SimpleManagedEntity.when_enabled
        def plain(self) -> str:
            return "on"

        @SimpleManagedEntity.when_enabled(when_not_enabled=lambda: "off")
        def told(self) -> str:
            """Says it."""
            return "on"

    lamp = Lamp()
    assert (lamp.plain(), lamp.told()) == (None, "off")
    lamp.on_activate(LifecycleState(label="inactive", state_id=2))
    assert (lamp.plain(), lamp.told(), Lamp.told.__doc__) == ("on", "on", "Says it.")


def test_others_drive_the_node_when_they_call_its_services(graph: Any) -> None:
    node = make(graph)
    caller = graph.node("caller")
    events: list[tuple[str, str, str]] = []
    caller.create_subscription(
        TransitionEvent,
        "/managed/transition_event",
        lambda event: events.append((event.transition.label, event.start_state.label, event.goal_state.label)),
        10,
    )

    def call(kind: Any, name: str, request: Any = None) -> Any:
        future = caller.create_client(kind, f"/managed/{name}").call_async(request or kind.Request())
        graph.executor.spin_until_idle()
        return future.result()

    def change(**transition: Any) -> bool:
        request = ChangeState.Request()
        for field, value in transition.items():
            setattr(request.transition, field, value)
        return bool(call(ChangeState, "change_state", request).success)

    assert change(id=1)
    assert call(GetState, "get_state").current_state.label == "inactive"
    assert not change(id=4) and not change(label="configure") and not change(label="nonsense")
    assert change(label="activate", id=77)
    assert node.state == "active"
    assert [entry[0] for entry in events] == ["configure", "transition_success", "activate", "transition_success"]
    assert events[0] == ("configure", "unconfigured", "configuring")
    assert len(call(GetAvailableStates, "get_available_states").available_states) == 11
    possible = call(GetAvailableTransitions, "get_available_transitions").available_transitions
    assert {(entry.transition.id, entry.transition.label) for entry in possible} == {(4, "deactivate"), (7, "shutdown")}
    graph_of_all = call(GetAvailableTransitions, "get_transition_graph").available_transitions
    assert len(graph_of_all) == 25
    assert len({(entry.start_state.id, entry.transition.id) for entry in graph_of_all}) == 25


def test_node_has_no_services_when_interface_is_off(graph: Any) -> None:
    node = make(graph, LifecycleNode, enable_communication_interface=False)
    names = [name for name, _ in node.get_service_names_and_types_by_node("managed", "/")]
    assert not any("state" in name or "transition" in name for name in names)
    assert node.trigger_configure() is SUCCESS
    with pytest.raises(TypeError):
        make(graph, LifecycleNode, enable_communication_interface="no")
