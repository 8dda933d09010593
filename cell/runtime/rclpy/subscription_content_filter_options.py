"""The options of a content filter."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ContentFilterOptions"]


class ContentFilterOptions(NamedTuple):
    """A filter in DDS's language (DDS 1.4, annex B), and the values of its `%0`, `%1`, ..."""

    filter_expression: str
    expression_parameters: list[str]
