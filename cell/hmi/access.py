"""Who may do what: roles, the one-time link that logs in, and the sessions it opens.

Cookies are kept as SHA-256 digests only, and secrets are compared by digest, so that timing tells nothing of them.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SESSION_LIFETIME_S: Final = 12 * 3600.0
"""One long shift; the operator then asks for a new link."""

MAX_SESSIONS: Final = 16
"""More than a cell has seats; the oldest session gives way, so that memory stays bounded."""


class Role(IntEnum):
    """Each role may do what the ones below it may. Not being logged in is being a viewer."""

    VIEWER = 1
    OPERATOR = 2
    ENGINEER = 3
    ADMIN = 4


def is_loopback(address: str) -> bool:
    """Whether a peer's address is of this machine; an IPv4 address mapped into IPv6 counts, a name does not."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class OneTimeToken:
    """A secret that opens one session and is spent by it. Thread-safe.

    Args:
        role: what the session may do.
        secret: 256 random bits in URL characters; given only by tests.
    """

    def __init__(self, role: Role = Role.ENGINEER, secret: str | None = None) -> None:
        self.role = role
        self._secret: str | None = secret or secrets.token_urlsafe(32)
        self._lock = threading.Lock()

    @property
    def secret(self) -> str | None:
        """The secret for the link, or None once it is spent."""
        return self._secret

    def redeem(self, secret: str) -> bool:
        """Spend the token if ``secret`` is right. True exactly once."""
        with self._lock:
            if self._secret is None or not hmac.compare_digest(_digest(secret), _digest(self._secret)):
                return False
            self._secret = None
            return True


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody logged in. ``loopback_only``: its cookie counts only from this machine, wherever it was carried to."""

    name: str
    role: Role
    expires_s: float
    loopback_only: bool


class Sessions:
    """The open sessions by their cookie. Thread-safe.

    Args:
        now: a monotonic clock, seconds.
        lifetime_s: after which a session ends by itself.
    """

    def __init__(self, now: Callable[[], float], lifetime_s: float = SESSION_LIFETIME_S) -> None:
        self._now = now
        self.lifetime_s = lifetime_s
        self._sessions: dict[bytes, Session] = {}
        self._lock = threading.Lock()

    def open(self, name: str, role: Role, *, loopback_only: bool) -> str:
        """Open a session and return its cookie."""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            self._drop_expired()
            while len(self._sessions) >= MAX_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[_digest(cookie)] = Session(name, role, self._now() + self.lifetime_s, loopback_only)
        return cookie

    def find(self, cookie: str | None, peer: str) -> Session | None:
        """The session of a cookie, if it is open and may be used from the address ``peer``."""
        if not cookie:
            return None
        with self._lock:
            self._drop_expired()
            session = self._sessions.get(_digest(cookie))
        if session is None or (session.loopback_only and not is_loopback(peer)):
            return None
        return session

    def remaining_s(self, session: Session) -> float:
        """Seconds until a session ends by itself."""
        return max(0.0, session.expires_s - self._now())

    def close(self, cookie: str | None) -> None:
        """End a session; an unknown cookie is no error."""
        if cookie:
            with self._lock:
                self._sessions.pop(_digest(cookie), None)

    def _drop_expired(self) -> None:
        now = self._now()
        for key in [key for key, session in self._sessions.items() if session.expires_s <= now]:
            del self._sessions[key]
