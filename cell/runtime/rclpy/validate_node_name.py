"""Checks node names."""

from ._names import check_node_name

__all__ = ["validate_node_name"]


def validate_node_name(node_name: str) -> bool:
    """True for an allowed name.

    Raises:
        InvalidNodeNameException: the name is not allowed.
    """
    check_node_name(node_name)
    return True
