"""Samples of any type on a topic: what is written and taken is CDR, with its 4 bytes of encapsulation."""

from __future__ import annotations

import ctypes as ct
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from cell.runtime.wire.cyclone import ANY_STATE, SampleInfo, Span, library, make_sample

# From this size on, a sample is read where Cyclone holds it; below it, a copy is faster than the bookkeeping.
_VIEW_BYTES = 16384
_TAKE = 16


def new_sample(kind: int, parts: Iterable[Any]) -> int:
    """A sample with the bytes of all parts, each copied once.

    Raises:
        WireError: they are no CDR.
    """
    spans: list[tuple[int, int]] = []
    held: list[Any] = []
    small: list[bytes] = []
    for part in parts:
        if part.__class__ is bytes and len(part) < _VIEW_BYTES:
            small.append(part)
            continue
        _flush(small, spans, held)
        flat = np.frombuffer(part, np.uint8)
        held.append(flat)
        spans.append((flat.ctypes.data, flat.nbytes))
    _flush(small, spans, held)
    return make_sample(
        kind, (Span * len(spans))(*(Span(*span) for span in spans)), len(spans), sum(size for _, size in spans)
    )


def _flush(small: list[bytes], spans: list[tuple[int, int]], held: list[Any]) -> None:
    if small:
        joined = b"".join(small)
        held.append(joined)
        spans.append((ct.cast(ct.c_char_p(joined), ct.c_void_p).value or 0, len(joined)))
        small.clear()


class Intake:
    """Takes the samples of one reader; for one thread."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self._samples = (ct.c_void_p * _TAKE)()
        self._infos = (SampleInfo * _TAKE)()
        self._take = library().dds_takecdr

    def take(self) -> list[tuple[Any, int, int]]:
        """At most `_TAKE` samples: bytes (a read-only view of big ones), source time (ns), the writer's handle."""
        count = self._take(self._reader, self._samples, _TAKE, self._infos, ANY_STATE)
        found = []
        for index in range(count):
            sample, info = self._samples[index] or 0, self._infos[index]
            if info.valid_data:
                found.append((contents(sample), info.source_timestamp, info.publication_handle))
            else:
                library().ddsi_serdata_unref(sample)
        return found


def contents(sample: int) -> Any:
    """The bytes of a sample, which is let go: at once, or with the last view of it."""
    lib = library()
    size = lib.ddsi_serdata_size(sample)
    span = Span()
    held = lib.ddsi_serdata_to_ser_ref(sample, 0, size, ct.byref(span))
    if size < _VIEW_BYTES:
        data = ct.string_at(span.base, size)
        _release(held, span, sample)
        return data
    octets = (ct.c_ubyte * size).from_address(span.base)
    weakref.finalize(octets, _release, held, span, sample).atexit = False
    view = np.frombuffer(octets, np.uint8)
    view.flags.writeable = False
    return memoryview(view.data)


def _release(held: int, span: Span, sample: int) -> None:
    lib = library()
    lib.ddsi_serdata_to_ser_unref(held, ct.byref(span))
    lib.ddsi_serdata_unref(sample)
