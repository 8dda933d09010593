"""What every request passes first: where it says it goes (Host), where it comes from (Origin), and what is sent back.

A page on the internet can make an operator's browser talk to this server: by a form or a fetch (Origin differs), or by
a name that first resolves to its own server and then to this one (DNS rebinding: Host differs). Both get 403.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cell.hmi.access import is_loopback

SECURITY_HEADERS: Final[dict[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def host_name(host: str) -> str | None:
    """The name in a Host header without its port, lower case, brackets removed; None if it is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.hostname


class HostRule:
    """Which Host headers are this server's.

    Bound to loopback: only loopback's own names. Bound to the network: also every literal address, since a name is what
    rebinding needs, and the names in ``extra``.
    """

    def __init__(self, bound: str, extra: tuple[str, ...] = ()) -> None:
        self._loopback_bound = bound == "localhost" or is_loopback(bound)
        self._names = {"localhost", bound.lower(), *(name.lower() for name in extra)}

    def allows(self, host: str | None) -> bool:
        """Whether a request with this Host header is meant for this server."""
        name = host_name(host) if host else None
        if name is None:
            return False
        if name in self._names or is_loopback(name):
            return True
        if self._loopback_bound:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the host that the request was sent to."""
    scheme, separator, authority = origin.partition("://")
    return bool(separator) and scheme in {"http", "https"} and authority.lower() == host.lower()


class Guard:
    """ASGI middleware: refuse foreign hosts and origins, add the security headers to every answer."""

    def __init__(self, app: ASGIApp, hosts: HostRule) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send_guarded)
        elif scope["type"] == "http":
            await JSONResponse({"error": refusal}, status_code=403)(scope, receive, send_guarded)
        else:
            # Closing before accepting is answered as 403 by the server.
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        host = headers.get("host")
        if len(headers.getlist("host")) != 1 or host is None or not self._hosts.allows(host):
            return "this name is not served here"
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return None
        origin = headers.get("origin")
        if origin is not None and not same_origin(origin, host):
            return "requests from other sites are refused"
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return "requests from other sites are refused"
        return None
