"""Where rclpy 8 keeps what the graph says of publishers and subscriptions."""

from .endpoint_info import TopicEndpointInfo, TopicEndpointTypeEnum

__all__ = ["TopicEndpointInfo", "TopicEndpointTypeEnum"]
