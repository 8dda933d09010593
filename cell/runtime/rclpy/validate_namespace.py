"""Checks namespaces."""

from ._names import check_namespace

__all__ = ["validate_namespace"]


def validate_namespace(namespace: str) -> bool:
    """True for an allowed namespace.

    Raises:
        InvalidNamespaceException: the namespace is not allowed.
    """
    check_namespace(namespace)
    return True
