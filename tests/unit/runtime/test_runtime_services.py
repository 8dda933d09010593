"""Services and clients, parameter services."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger


def answer(request: Any, response: Any) -> Any:
    response.success = request.data
    response.message = "seen"
    return response


def test_response_arrives_when_called_async(graph: Any) -> None:
    graph.node("server").create_service(SetBool, "switch", answer)
    client = graph.node("client").create_client(SetBool, "/switch")
    assert client.wait_for_service(timeout_sec=1.0)
    future = client.call_async(SetBool.Request(data=True))
    assert not future.done()
    graph.executor.spin_until_future_complete(future, timeout_sec=5.0)
    assert future.result().success
    assert future.result().message == "seen"


def test_future_stays_open_when_no_server_is_there(graph: Any) -> None:
    client = graph.node("client").create_client(SetBool, "/switch")
    assert not client.service_is_ready()
    assert not client.wait_for_service(timeout_sec=0.0)
    future = client.call_async(SetBool.Request())
    graph.executor.spin_until_idle()
    assert not future.done()


def test_response_comes_later_when_callback_is_a_coroutine(graph: Any) -> None:
    gate: Future[bool] = Future()

    async def later(request: Any, response: Any) -> Any:
        response.success = await gate
        return response

    graph.node("server").create_service(SetBool, "switch", later)
    future = graph.node("client").create_client(SetBool, "/switch").call_async(SetBool.Request())
    graph.executor.spin_until_idle()
    assert not future.done()
    gate.set_result(True)
    graph.executor.spin_until_idle()
    assert future.result().success


def test_call_returns_response_when_executor_runs_in_another_thread(graph: Any) -> None:
    graph.node("server").create_service(SetBool, "switch", answer)
    client = graph.node("client").create_client(SetBool, "/switch")
    thread = threading.Thread(target=graph.executor.spin)
    thread.start()
    try:
        response = client.call(SetBool.Request(data=True), timeout_sec=5.0)
    finally:
        graph.executor.shutdown()
        thread.join(5.0)
    assert response is not None and response.success


def test_coroutine_gets_response_when_group_is_reentrant(graph: Any) -> None:
    got: list[Any] = []
    graph.node("server").create_service(SetBool, "switch", answer)
    node = graph.node("client")
    group = ReentrantCallbackGroup()
    client = node.create_client(SetBool, "/switch", callback_group=group)

    async def ask() -> None:
        got.append(await client.call_async(SetBool.Request(data=True)))

    guard = node.create_guard_condition(ask, callback_group=group)
    guard.trigger()
    graph.executor.spin_until_idle()
    assert [response.success for response in got] == [True]


def test_wrong_types_are_refused_when_requesting_or_answering(graph: Any) -> None:
    node = graph.node("node")
    node.create_service(Trigger, "ask", lambda request, response: SetBool.Response())
    client = node.create_client(Trigger, "ask")
    with pytest.raises(TypeError):
        client.call_async(SetBool.Request())
    client.call_async(Trigger.Request())
    with pytest.raises(TypeError):
        graph.executor.spin_until_idle()


def test_waiting_ends_when_server_appears_in_another_thread(graph: Any) -> None:
    client = graph.node("client").create_client(SetBool, "/switch")
    server = graph.node("server")
    thread = threading.Thread(target=lambda: server.create_service(SetBool, "/switch", answer))
    thread.start()
    assert client.wait_for_service(timeout_sec=10.0)
    thread.join()


def test_parameters_are_read_and_set_when_services_are_called(graph: Any) -> None:
    node = graph.node("target")
    node.declare_parameter("a.x", 1)
    node.declare_parameter("b", "text")
    caller = graph.node("caller")

    def call(kind: Any, name: str, **fields: Any) -> Any:
        future = caller.create_client(kind, f"/target/{name}").call_async(kind.Request(**fields))
        graph.executor.spin_until_idle()
        return future.result()

    values = call(GetParameters, "get_parameters", names=["a.x", "b"]).values
    assert values[0].integer_value == 1 and values[1].string_value == "text"
    assert set(call(ListParameters, "list_parameters").result.names) == {"a.x", "b", "use_sim_time"}
    change = [Parameter("a.x", value=5).to_parameter_msg(), Parameter("nope", value=1).to_parameter_msg()]
    results = call(SetParameters, "set_parameters", parameters=change).results
    assert [result.successful for result in results] == [True, False]
    assert node.get_parameter("a.x").value == 5
