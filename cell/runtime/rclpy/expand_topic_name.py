"""Expands a topic name for a node."""

from ._names import expand

__all__ = ["expand_topic_name"]


def expand_topic_name(topic_name: str, node_name: str, node_namespace: str) -> str:
    """The fully qualified name.

    Raises:
        InvalidTopicNameException: the name is not allowed.
    """
    return expand(topic_name, node_name, node_namespace, service=False)
