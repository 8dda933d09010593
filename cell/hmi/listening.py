"""The socket that the page listens on; apart from the server, so that a process can hold it for another one."""

from __future__ import annotations

import errno
import socket

from perception.errors import InputError


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already: a second server on the port fails now, not later. Port 0 takes any free one.

    Raises:
        InputError: the port is in use, or cannot be served.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"the port must lie between 0 and 65535, not {port}", key="--port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(f"cannot serve the page on {host}: {error.strerror}", key="--port") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use; choose another or 0 for any free one", key="--port") from error
        raise InputError(f"cannot serve the page on {host}:{port}: {error.strerror}", key="--port") from error
    return bound
