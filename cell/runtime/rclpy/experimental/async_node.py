"""A node that lives on asyncio's loop, without an executor of its own to spin. Needs Python 3.11."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._callbacks import parameter_of_type, takes
from ..callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from ..clock_type import ClockType
from ..node import Node
from ..qos import qos_profile_services_default
from ..timer import TimerInfo
from ._loop_executor import LoopExecutor
from .async_client import AsyncClient
from .async_clock import AsyncClock

if TYPE_CHECKING:
    from ..clock import Clock
    from ..publisher import MsgT
    from ..qos import QoSProfile
    from ..service import Service
    from ..subscription import Subscription
    from ..timer import Timer

__all__ = ["AsyncNode"]


class AsyncNode(Node):
    """A node for `async with`, or for `await node.run()`.

    Callbacks, `async def` or not, run on the loop, those of one subscription, service or timer one after another
    (`concurrent`: side by side). An error of a callback ends the `async with` as an error in a task group does.
    """

    _clock: AsyncClock

    def __init__(self, node_name: str, **options: Any) -> None:
        """Takes what `Node` takes."""
        self._ended = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._loop_executor: LoopExecutor | None = None
        self._async_clients: list[AsyncClient[Any, Any]] = []
        super().__init__(node_name, **options)

    def _rcl_make_clock(self) -> AsyncClock:
        return AsyncClock(clock_type=ClockType.ROS_TIME)

    def get_clock(self) -> AsyncClock:
        return self._clock

    async def __aenter__(self) -> AsyncNode:
        if self._ended.is_set():
            raise RuntimeError("Node has been destroyed and cannot be reentered")
        if self._tasks is not None:
            raise RuntimeError("Node is already running")
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._loop_executor = LoopExecutor(self.context, asyncio.get_running_loop(), self._tasks)
        self._loop_executor.add_node(self)
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        tasks = self._tasks
        try:
            self.destroy_node()
            if tasks is not None:
                await tasks.__aexit__(*exc_info)
        finally:
            self._tasks = None

    async def run(self) -> None:
        """Runs the node until `destroy_node`.

        Raises:
            RuntimeError: it runs already.
        """
        async with self:
            await self._ended.wait()

    def destroy_node(self) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        if self._loop_executor is not None:
            self._loop_executor.end()
        for client in self._async_clients:
            client.destroy()
        self._clock._end()
        super().destroy_node()

    async def wait_for_node(  # type: ignore[override]
        self, fully_qualified_node_name: str, *, check_interval: float = 0.1
    ) -> None:
        """Waits until a node is in the graph, looking every `check_interval` s; `asyncio.timeout` limits it."""
        name = f"/{fully_qualified_node_name.lstrip('/')}"
        while name not in self.get_fully_qualified_node_names():
            await asyncio.sleep(check_interval)

    def create_subscription(  # type: ignore[override]
        self,
        msg_type: type[MsgT],
        topic: str,
        callback: Callable[..., Any],
        qos_profile: QoSProfile | int,
        *,
        raw: bool = False,
        concurrent: bool = False,
        content_filter_options: Any = None,
    ) -> Subscription[MsgT]:
        """As `Node.create_subscription`; a message waits for the end of the callback before, unless `concurrent`."""
        return super().create_subscription(
            msg_type,
            topic,
            callback,
            qos_profile,
            raw=raw,
            callback_group=_group(concurrent),
            content_filter_options=content_filter_options,
        )

    def create_service(  # type: ignore[override]
        self,
        srv_type: type[Any],
        srv_name: str,
        callback: Callable[[Any, Any], Any],
        *,
        qos_profile: QoSProfile = qos_profile_services_default,
        concurrent: bool = False,
    ) -> Service[Any, Any]:
        """As `Node.create_service`; a request waits for the end of the callback before, unless `concurrent`."""
        return super().create_service(
            srv_type, srv_name, callback, qos_profile=qos_profile, callback_group=_group(concurrent)
        )

    def create_client(  # type: ignore[override]
        self, srv_type: type[Any], srv_name: str, *, qos_profile: QoSProfile = qos_profile_services_default
    ) -> AsyncClient[Any, Any]:
        """A client whose calls are awaited; raises as `Node.create_client`."""
        client = AsyncClient(
            super().create_client(srv_type, srv_name, qos_profile=qos_profile, callback_group=_group(concurrent=True))
        )
        self._async_clients.append(client)
        return client

    def create_timer(  # type: ignore[override]
        self,
        timer_period_sec: float,
        callback: Callable[..., Any],
        *,
        clock: Clock | None = None,
        autostart: bool = True,
    ) -> Timer:
        """As `Node.create_timer`; a callback with one parameter gets a `TimerInfo`.

        Raises:
            RuntimeError: the callback takes other arguments.
        """
        self._rcl_check_alive()
        return super().create_timer(
            timer_period_sec, _with_info(callback), _group(concurrent=False), clock, autostart=autostart
        )


def _group(concurrent: bool) -> CallbackGroup:
    return ReentrantCallbackGroup() if concurrent else MutuallyExclusiveCallbackGroup()


def _with_info(callback: Callable[..., Any]) -> Callable[..., Any]:
    """The callback such that a timer knows whether it takes its info."""
    if takes(callback, 0) or parameter_of_type(callback, TimerInfo) is not None:
        return callback
    if not takes(callback, 1):
        raise RuntimeError("Timer callback must accept zero arguments or one argument (TimerInfo)")

    def call(info: Any) -> Any:
        return callback(info)

    call.__annotations__["info"] = TimerInfo
    return call
