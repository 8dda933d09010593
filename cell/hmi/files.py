"""The built page, read into memory once: no path from a request ever touches the file system."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from perception.errors import InputError

STATIC: Final = Path(__file__).with_name("static")

CONTENT_TYPES: Final[dict[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}

COMPRESSIBLE: Final = frozenset({".html", ".js", ".css", ".json", ".svg", ".txt"})


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the build. ``packed``: its gzip form, or None where that would not be smaller."""

    body: bytes
    packed: bytes | None
    content_type: str
    etag: str
    immutable: bool

    def response(self, request: Request) -> Response:
        """Answer a request for this file, with the cached and the compressed form where the browser can use it."""
        headers = {
            "ETag": self.etag,
            "Cache-Control": "public, max-age=31536000, immutable" if self.immutable else "no-cache",
        }
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        body = self.body
        if self.packed is not None:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                headers["Content-Encoding"] = "gzip"
                body = self.packed
        return Response(body, media_type=self.content_type, headers=headers)


def _read(path: Path, name: str) -> PageFile:
    body = path.read_bytes()
    packed = gzip.compress(body, 9, mtime=0) if path.suffix in COMPRESSIBLE else None
    if packed is not None and len(packed) >= len(body):
        packed = None
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    # Vite puts a hash of the content into the names under assets/.
    return PageFile(body, packed, CONTENT_TYPES[path.suffix], etag, immutable=name.startswith("assets/"))


def read_page(folder: Path = STATIC) -> dict[str, PageFile]:
    """All files of the built page by their path below ``folder``, with "/" between the parts.

    Raises:
        InputError: the build is not there.
    """
    files = {
        name: _read(path, name)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in CONTENT_TYPES
        for name in [path.relative_to(folder).as_posix()]
    }
    if "index.html" not in files:
        raise InputError("the built page is missing; run `npm ci && npm run build` in cell/hmi/web", file=folder)
    return files
