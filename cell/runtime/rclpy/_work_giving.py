"""Work for executors of a program's own: `wait_for_ready_callbacks`, as rclpy documents it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from ._work_queue import Token, WorkQueue, end_of_wait_ns
from .task import Task

if TYPE_CHECKING:
    from ._entity import Entity
    from .node import Node

    Ready = tuple[Task[Any], Entity | None, Node | None]


class WorkGiving(WorkQueue):
    """Gives work out, instead of running it; a base of `Executor`."""

    _callbacks: Generator[Ready, None, None] | None = None
    _callbacks_arguments: object = None

    if TYPE_CHECKING:

        def get_nodes(self) -> list[Node]: ...

        def _next(self, deadline_ns: int, condition: Callable[[], bool] | None) -> Token: ...

    def wait_for_ready_callbacks(
        self,
        timeout_sec: float | None = None,
        nodes: list[Node] | None = None,
        condition: Callable[[], bool] = lambda: False,
    ) -> Ready:
        """Waits for work; gives a task that runs it, with its entity and that one's node where it has them.

        Raises:
            TimeoutException, ShutdownException, ExternalShutdownException, ConditionReachedException: there is none.
        """
        arguments = (timeout_sec, nodes, condition)
        while True:
            if self._callbacks is None or self._callbacks_arguments != arguments:
                self._callbacks_arguments = arguments
                self._callbacks = self._wait_for_ready_callbacks(*arguments)
            try:
                return next(self._callbacks)
            except StopIteration:
                self._callbacks = None
            except Exception:
                self._callbacks = None
                raise

    def _wait_for_ready_callbacks(
        self,
        timeout_sec: float | None = None,
        nodes: list[Node] | None = None,
        condition: Callable[[], bool] = lambda: False,
    ) -> Generator[Ready, None, None]:
        """Yields what is ready now, after waiting for the first."""
        passed_over: list[Token] = []
        try:
            token: Token | None = self._next(end_of_wait_ns(timeout_sec), condition)
            while token is not None:
                entity: Any = None if isinstance(token, Task) else token
                node = self._node_of(entity)
                if node is not None and nodes is not None and node not in nodes:
                    passed_over.append(token)
                elif isinstance(token, Task):
                    yield token, None, None
                else:
                    executor: Any = self
                    yield Task(token._execute, (executor,), executor=executor), entity, node
                token = self._pop()
        finally:
            for other in reversed(passed_over):
                self._enqueue_first(other)

    def can_execute(self, entity: Entity) -> bool:
        """True if a callback of the entity could start."""
        return entity.callback_group.can_execute(entity)

    def _node_of(self, entity: object) -> Node | None:
        return next((node for node in self.get_nodes() if any(entity is own for own in node._rcl_entities())), None)
