"""Conversions between seconds and nanoseconds."""

S_TO_NS = 1000 * 1000 * 1000
MS_TO_NS = 1000 * 1000
US_TO_NS = 1000

__all__ = ["MS_TO_NS", "S_TO_NS", "US_TO_NS"]
