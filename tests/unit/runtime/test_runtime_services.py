"""Services and clients, parameter services."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from cell.runtime.transport import Endpoint


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
    names = set(call(ListParameters, "list_parameters").result.names)
    assert names == {"a.x", "b", "start_type_description_service", "use_sim_time"}
    change = [Parameter("a.x", value=5).to_parameter_msg(), Parameter("nope", value=1).to_parameter_msg()]
    results = call(SetParameters, "set_parameters", parameters=change).results
    assert [result.successful for result in results] == [True, False]
    assert node.get_parameter("a.x").value == 5


def test_request_arrives_as_sent_when_client_changes_it(graph: Any) -> None:
    seen: list[bool] = []

    def note(request: Any, response: Any) -> Any:
        seen.append(request.data)
        request.data = not request.data
        return response

    graph.node("server").create_service(SetBool, "switch", note)
    client = graph.node("client").create_client(SetBool, "/switch")
    request = SetBool.Request(data=True)
    client.call_async(request)
    request.data = False
    client.call_async(request)
    graph.executor.spin_until_idle()
    assert seen == [True, False]
    assert request.data is False


def test_response_stays_as_sent_when_server_keeps_it(graph: Any) -> None:
    kept = SetBool.Response(message="first")
    graph.node("server").create_service(SetBool, "switch", lambda request, response: kept)
    future = graph.node("client").create_client(SetBool, "/switch").call_async(SetBool.Request())
    graph.executor.spin_until_idle()
    kept.message = "second"
    assert future.result().message == "first"


def test_call_raises_when_time_is_over(graph: Any) -> None:
    client = graph.node("client").create_client(SetBool, "/switch")
    with pytest.raises(TimeoutError):
        client.call(SetBool.Request(), timeout_sec=0.0)
    assert client._pending == {}


def test_request_is_forgotten_when_it_is_removed_or_cancelled(graph: Any) -> None:
    waiting: list[Any] = []
    node = graph.node("node")
    service = node.create_service(SetBool, "switch", answer)
    client = node.create_client(SetBool, "/switch")
    removed, cancelled, kept = (client.call_async(SetBool.Request(data=True)) for _ in range(3))
    assert client.get_pending_request(1) is removed
    client.remove_pending_request(removed)
    cancelled.cancel()
    with pytest.raises(KeyError):
        client.get_pending_request(2)
    removed.add_done_callback(waiting.append)
    graph.executor.spin_until_idle()
    assert not removed.done() and cancelled.cancelled() and kept.result().success
    assert waiting == [] and client._pending == {}
    assert service.logger_name == client.logger_name == "node"


def test_each_client_gets_its_own_answers_when_several_call(graph: Any) -> None:
    def echo(request: Any, response: Any) -> Any:
        response.success = request.data
        return response

    node = graph.node("node")
    node.create_service(SetBool, "switch", echo)
    clients = [node.create_client(SetBool, "switch") for _ in range(3)]
    sent = [(number % 2 == 0, clients[number % 3]) for number in range(9)]
    futures = [client.call_async(SetBool.Request(data=data)) for data, client in sent]
    graph.executor.spin_until_idle()
    assert [future.result().success for future in futures] == [data for data, _ in sent]


def test_client_finds_the_next_server_when_one_is_gone(graph: Any) -> None:
    node = graph.node("node")
    client = node.create_client(SetBool, "switch")
    for _ in range(2):
        with node.create_service(SetBool, "switch", answer):
            assert client.wait_for_service(timeout_sec=1.0)
            future = client.call_async(SetBool.Request(data=True))
            graph.executor.spin_until_idle()
            assert future.result().success
        assert not client.wait_for_service(timeout_sec=0.0)


def test_nothing_is_answered_when_server_is_destroyed_meanwhile(graph: Any) -> None:
    gate: Future[bool] = Future()

    async def later(request: Any, response: Any) -> Any:
        await gate
        return response

    node = graph.node("node")
    service = node.create_service(SetBool, "switch", later)
    client = node.create_client(SetBool, "switch")
    future = client.call_async(SetBool.Request())
    graph.executor.spin_until_idle()
    node.destroy_service(service)
    gate.set_result(True)
    graph.executor.spin_until_idle()
    assert not future.done()
    with pytest.raises(InvalidHandle):
        service.send_response(SetBool.Response(), None)
    node.destroy_client(client)
    for use in (client.service_is_ready, lambda: client.call_async(SetBool.Request()), client.wait_for_service):
        with pytest.raises(InvalidHandle):
            use()


def test_handle_is_refused_when_entity_is_gone(graph: Any) -> None:
    node = graph.node("node")
    service = node.create_service(SetBool, "switch", answer)
    client = node.create_client(SetBool, "switch")
    counts: list[int] = []
    with service.handle as handle:
        assert handle.service_take_request(SetBool.Request) == (None, None)
        handle.set_on_new_request_callback(counts.append)
        future = client.call_async(SetBool.Request(data=True))
        request, header = handle.service_take_request(SetBool.Request)
        assert request.data and header.request_id.sequence_number == 1
        assert header.request_id.writer_guid == client.endpoint.gid
        assert 0 < header.source_timestamp <= header.received_timestamp
        handle.clear_on_new_request_callback()
        service.destroy()
        assert client.service_is_ready()
        handle.service_send_response(SetBool.Response(message="by hand"), header)
    assert counts == [1] and not client.service_is_ready()
    with pytest.raises(InvalidHandle), service.handle:
        pass
    graph.executor.spin_until_idle()
    assert future.result().message == "by hand"


class Elsewhere:
    """A server that does not live in this process: it answers from a thread of its own."""

    def __init__(self, endpoint: Any) -> None:
        self.endpoint = endpoint
        self.threads: list[threading.Thread] = []

    def request(self, request: Any, reply: Any) -> None:
        def work() -> None:
            reply(SetBool.Response(success=request.data, message=str(reply.sequence_number)))

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()


def test_answer_arrives_when_server_lives_elsewhere(graph: Any) -> None:
    node = graph.node("node")
    client = node.create_client(SetBool, "switch")
    endpoint = Endpoint("service", "/switch", SetBool, client.qos_profile, node=("far", "/"), location="wire")
    server = Elsewhere(endpoint)
    node._rcl_bus.add_server(server)
    assert client.wait_for_service(timeout_sec=1.0)
    future = client.call_async(SetBool.Request(data=True))
    graph.executor.spin_until_future_complete(future, timeout_sec=20.0)
    assert future.result().success and future.result().message == "1"
    node._rcl_bus.remove_server(server)
    assert not client.service_is_ready()
    for thread in server.threads:
        thread.join()
