"""Service introspection: services and clients that publish what passes through them."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ServiceIntrospectionState"]


class ServiceIntrospectionState(IntEnum):
    """What is published: nothing, who called when, or the requests and responses as well."""

    OFF = 0
    METADATA = 1
    CONTENTS = 2
