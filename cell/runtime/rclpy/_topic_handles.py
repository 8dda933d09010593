"""The handles of publishers and subscriptions, as rclpy's C layer shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._handle import Handle

if TYPE_CHECKING:
    from .duration import Duration
    from .event_handler import EventBoard
    from .publisher import Publisher
    from .subscription import Subscription
    from .subscription_content_filter_options import ContentFilterOptions


class PublisherHandle(Handle):
    """The lower end of a publisher."""

    _entity: Publisher[Any]

    def __init__(self, publisher: Publisher[Any]) -> None:
        super().__init__(publisher._end)
        self._entity = publisher

    @property
    def _events(self) -> EventBoard:
        return self._entity._events

    def get_logger_name(self) -> str:
        return self._entity.logger_name

    def get_topic_name(self) -> str:
        return self._entity.topic_name

    def get_subscription_count(self) -> int:
        return self._entity.get_subscription_count()

    def publish(self, message: Any) -> None:
        self._entity.publish(message)

    def publish_raw(self, data: bytes) -> None:
        self._entity.publish(data)

    def wait_for_all_acked(self, timeout: Duration) -> bool:
        return self._entity.wait_for_all_acked(timeout)


class SubscriptionHandle(Handle):
    """The lower end of a subscription."""

    _entity: Subscription[Any]

    def __init__(self, subscription: Subscription[Any]) -> None:
        super().__init__(subscription._end)
        self._entity = subscription

    @property
    def _events(self) -> EventBoard:
        return self._entity._events

    def get_logger_name(self) -> str:
        return self._entity.logger_name

    def get_topic_name(self) -> str:
        return self._entity.topic_name

    def get_publisher_count(self) -> int:
        return self._entity.get_publisher_count()

    def take_message(self, pymsg_type: type[Any], raw: bool) -> tuple[Any, Any] | None:
        """The oldest message (as bytes with `raw`) and its info, or None where none waits."""
        return self._entity._take(raw=raw)

    def set_on_new_message_callback(self, callback: Callable[[int], Any]) -> None:
        """Calls `callback(count)` in the publisher's thread for each message, and now for those that wait."""
        self._entity._listen(callback)

    def clear_on_new_message_callback(self) -> None:
        self._entity._listen(None)

    def is_cft_supported(self) -> bool:
        return self._entity.is_cft_supported

    def is_cft_enabled(self) -> bool:
        return self._entity.is_cft_enabled

    def set_content_filter(self, filter_expression: str, expression_parameters: list[str]) -> None:
        self._entity.set_content_filter(filter_expression, expression_parameters)

    def get_content_filter(self) -> ContentFilterOptions:
        return self._entity.get_content_filter()
