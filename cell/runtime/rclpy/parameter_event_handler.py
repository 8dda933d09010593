"""Calls back when parameters change, of one's own node or of others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from .qos import QoSProfile, qos_profile_parameter_events

if TYPE_CHECKING:
    from rcl_interfaces.msg import Parameter as ParameterMsg
    from rcl_interfaces.msg import ParameterEvent

    from .callback_groups import CallbackGroup
    from .node import Node
    from .qos_overriding_options import QoSOverridingOptions

    ParameterCallback = Callable[[ParameterMsg], None]
    EventCallback = Callable[[ParameterEvent], None]

__all__ = ["ParameterCallbackHandle", "ParameterEventCallbackHandle", "ParameterEventHandler"]


class ParameterCallbackHandle:
    """What `add_parameter_callback` gives; the callback is removed with it."""

    def __init__(self, parameter_name: str, node_name: str, callback: ParameterCallback) -> None:
        self.parameter_name = parameter_name
        self.node_name = node_name
        self.callback = callback
        self.mutex = threading.RLock()


class ParameterEventCallbackHandle:
    """What `add_parameter_event_callback` gives; the callback is removed with it."""

    def __init__(self, callback: EventCallback) -> None:
        self.callback = callback
        self.mutex = threading.RLock()


class ParameterEventHandler:
    """Watches /parameter_events. Callbacks run last added first; a callback may add and remove others."""

    class Callbacks:
        """The callbacks of one handler."""

        def __init__(self) -> None:
            self.parameter_callbacks: dict[tuple[str, str], list[ParameterCallbackHandle]] = {}
            self.event_callbacks: list[ParameterEventCallbackHandle] = []
            self.mutex = threading.RLock()

        def event_callback(self, event: ParameterEvent) -> None:
            """Runs what concerns the parameters of an event, then what wants every event."""
            with self.mutex:
                by_parameter = [(key, list(handles)) for key, handles in self.parameter_callbacks.items()]
                by_event = list(self.event_callbacks)
            for (parameter_name, node_name), handles in by_parameter:
                parameter = ParameterEventHandler.get_parameter_from_event(event, parameter_name, node_name)
                if parameter is None:
                    continue
                for handle in handles:
                    with handle.mutex:
                        handle.callback(parameter)
            for event_handle in by_event:
                with event_handle.mutex:
                    event_handle.callback(event)

        def add_parameter_callback(
            self, parameter_name: str, node_name: str, callback: ParameterCallback
        ) -> ParameterCallbackHandle:
            """`node_name` is the node's full name."""
            handle = ParameterCallbackHandle(parameter_name, node_name, callback)
            with self.mutex:
                self.parameter_callbacks.setdefault((parameter_name, node_name), []).insert(0, handle)
            return handle

        def remove_parameter_callback(self, handle: ParameterCallbackHandle) -> None:
            """Raises RuntimeError where it is not there."""
            key = (handle.parameter_name, handle.node_name)
            with self.mutex:
                handles = self.parameter_callbacks.get(key, [])
                if handle not in handles:
                    raise RuntimeError("Callback doesn't exist")
                handles.remove(handle)
                if not handles:
                    del self.parameter_callbacks[key]

        def add_parameter_event_callback(self, callback: EventCallback) -> ParameterEventCallbackHandle:
            handle = ParameterEventCallbackHandle(callback)
            with self.mutex:
                self.event_callbacks.insert(0, handle)
            return handle

        def remove_parameter_event_callback(self, handle: ParameterEventCallbackHandle) -> None:
            """Raises RuntimeError where it is not there."""
            with self.mutex:
                if handle not in self.event_callbacks:
                    raise RuntimeError("Callback doesn't exist")
                self.event_callbacks.remove(handle)

    def __init__(  # noqa: PLR0917 (the original's signature)
        self,
        node: Node,
        qos_profile: QoSProfile = qos_profile_parameter_events,
        callback_group: CallbackGroup | None = None,
        event_callbacks: Any = None,
        qos_overriding_options: QoSOverridingOptions | None = None,
        raw: bool = False,
    ) -> None:
        """Subscribes with `node`, which has to be spun."""
        from rcl_interfaces.msg import ParameterEvent  # noqa: PLC0415 (message classes load on use)

        self.node = node
        self.qos_profile = qos_profile
        self._callbacks = ParameterEventHandler.Callbacks()
        self._nodes: frozenset[str] = frozenset()
        self.parameter_event_subscription = node.create_subscription(
            ParameterEvent,
            "/parameter_events",
            self._on_event,
            qos_profile,
            callback_group=callback_group,
            event_callbacks=event_callbacks,
            qos_overriding_options=qos_overriding_options,
            raw=raw,
        )

    def destroy(self) -> None:
        """Ends the subscription."""
        self.node.destroy_subscription(self.parameter_event_subscription)

    @staticmethod
    def get_parameter_from_event(event: ParameterEvent, parameter_name: str, node_name: str) -> ParameterMsg | None:
        """The new value in an event; None where it is of another node, or of other parameters."""
        if event.node != node_name:
            return None
        found = ParameterEventHandler.get_parameters_from_event(event)
        return next((parameter for parameter in found if parameter.name == parameter_name), None)

    @staticmethod
    def get_parameters_from_event(event: ParameterEvent) -> Iterable[ParameterMsg]:
        """The new and the changed parameters of an event."""
        yield from chain(event.new_parameters, event.changed_parameters)

    def add_parameter_callback(
        self, parameter_name: str, node_name: str, callback: ParameterCallback
    ) -> ParameterCallbackHandle:
        """Calls `callback(parameter)` when it is new or changed; a relative name is in this node's namespace."""
        return self._callbacks.add_parameter_callback(parameter_name, self._resolve_path(node_name), callback)

    def remove_parameter_callback(self, handle: ParameterCallbackHandle) -> None:
        """Raises RuntimeError where it is not there."""
        self._callbacks.remove_parameter_callback(handle)

    def add_parameter_event_callback(self, callback: EventCallback) -> ParameterEventCallbackHandle:
        """Calls `callback(event)` for every event."""
        return self._callbacks.add_parameter_event_callback(callback)

    def remove_parameter_event_callback(self, handle: ParameterEventCallbackHandle) -> None:
        """Raises RuntimeError where it is not there."""
        self._callbacks.remove_parameter_event_callback(handle)

    def configure_nodes_filter(self, node_names: list[str] | None = None) -> bool:
        """Takes events of these nodes only (full names; None or none: of all); gives whether that is so now."""
        subscription = self.parameter_event_subscription
        self._nodes = frozenset(node_names or ())
        if not node_names:
            subscription.set_content_filter("", [])
            return not subscription.is_cft_enabled
        expression = " OR ".join(f"node = %{index}" for index in range(len(node_names)))
        subscription.set_content_filter(expression, [f"'{name}'" for name in node_names])
        return subscription.is_cft_enabled

    def _on_event(self, event: ParameterEvent) -> None:
        # Events that came before the filter was set are still in the queue.
        if not self._nodes or event.node in self._nodes:
            self._callbacks.event_callback(event)

    def _resolve_path(self, node_path: str | None = None) -> str:
        """The full name of a node: of this one without a name."""
        if not node_path:
            return self.node.get_fully_qualified_name()
        if node_path.startswith("/"):
            return node_path
        return f"{self.node.get_namespace().rstrip('/')}/{node_path}"
