"""The routes of the page: reading is open, commanding needs a session.

=======  =====================  ==================================================================================
GET      /                      the page
GET      /api/v1/state          one snapshot, whole
GET      /api/v1/me             who this browser is logged in as
POST     /api/v1/command        ``{"command": "stop"}``; 401 not logged in, 403 not permitted, 409 the cell refuses
GET      /picture.jpg           the newest picture
WS       /ws                    snapshots: first a whole one, then the keys that changed; "next" paces them
WS       /ws/picture            one JPEG for each text message "next"
GET      /login?token=          the one-time link
POST     /logout                ends the session
GET      /healthz               200 while the cell's data is fresh, else 503
=======  =====================  ==================================================================================
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from cell.hmi.access import OneTimeToken, Role, Session, Sessions, is_loopback
from cell.hmi.feed import PictureFeed, SnapshotFeed
from cell.hmi.files import PageFile
from cell.hmi.guard import Guard, HostRule
from cell.hmi.sockets import add_sockets
from cell.hmi.view import COMMANDS, CellView

MAX_BODY_BYTES: Final = 1024
"""A command is about 30 bytes."""

FRESH_S: Final = 5.0
"""Data older than this makes /healthz answer 503: a graph that stands still, not merely a late frame."""

FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers by which a proxy shows itself: the peer's address is then the proxy's and proves nothing."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work with. ``controls`` runs commands: one that waits does not hold up the reading."""

    cell: CellView
    snapshots: SnapshotFeed
    pictures: PictureFeed
    sessions: Sessions
    tokens: list[OneTimeToken]
    cookie_name: str
    controls: Executor


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status, headers={"Cache-Control": "no-store"})


def _peer(request: Request) -> str:
    """The address of who asks; empty when a proxy stands between, which is nobody's loopback."""
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return ""
    return request.client.host


async def _body(request: Request) -> bytes | None:
    """The body of a request, or None if it is larger than a command can be; never reads more than that."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return body


def _command_name(body: bytes) -> str:
    """The command in a body.

    Raises:
        ValueError: it is not exactly ``{"command": NAME}`` with a known name.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(data, dict) or set(data) != {"command"}:
        raise ValueError('the body must be {"command": NAME}')
    name = data["command"]
    if not isinstance(name, str) or name not in COMMANDS:
        raise ValueError(f"command must be one of {', '.join(COMMANDS)}")
    return name


def make_app(desk: Desk, files: dict[str, PageFile], hosts: HostRule) -> FastAPI:
    """The ASGI application; everything it needs comes in ``desk``."""
    app = FastAPI(title="cellwright", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(Guard, hosts=hosts)
    _add_reading(app, desk)
    _add_access(app, desk)
    _add_command(app, desk)
    add_sockets(app, desk.snapshots, desk.pictures)
    _add_files(app, files)  # last: it answers every other path
    return app


def _find_session(request: Request, desk: Desk) -> Session | None:
    return desk.sessions.find(request.cookies.get(desk.cookie_name), _peer(request))


def _add_reading(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/state")
    async def state() -> Response:
        frame = await desk.snapshots.latest()
        return Response(frame.since(0), media_type="application/json", headers={"Cache-Control": "no-store"})

    @app.get("/healthz")
    async def healthz() -> Response:
        age_s = (await desk.snapshots.latest()).age_s
        fresh = age_s <= FRESH_S
        return JSONResponse({"ok": fresh, "age_s": age_s}, status_code=200 if fresh else 503)

    @app.get("/picture.jpg")
    async def picture() -> Response:
        newest = await desk.pictures.latest()
        if newest is None:
            return _error(404, "there is no picture yet")
        headers = {"Cache-Control": "no-store", "X-Sequence": str(newest.sequence)}
        return Response(newest.jpeg, media_type="image/jpeg", headers=headers)


def _add_files(app: FastAPI, files: dict[str, PageFile]) -> None:
    @app.api_route("/", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        return files["index.html"].response(request)

    @app.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def file(request: Request, path: str) -> Response:
        found = files.get(path)
        return found.response(request) if found is not None else _error(404, "there is nothing here")


def _add_access(app: FastAPI, desk: Desk) -> None:
    @app.get("/login")
    async def login(request: Request, token: str = "") -> Response:
        if not is_loopback(_peer(request)):
            return PlainTextResponse("The link works only on the cell's own computer.\n", status_code=403)
        for known in desk.tokens:
            if known.redeem(token):
                cookie = desk.sessions.open(known.role.name.lower(), known.role, loopback_only=True)
                answer = RedirectResponse("/", status_code=303, headers={"Cache-Control": "no-store"})
                lifetime_s = int(desk.sessions.lifetime_s)
                answer.set_cookie(
                    desk.cookie_name, cookie, max_age=lifetime_s, path="/", httponly=True, samesite="strict"
                )
                return answer
        text = "This link is spent or wrong. Start the cell again, or ask it for a new link.\n"
        return PlainTextResponse(text, status_code=403, headers={"Cache-Control": "no-store"})

    @app.post("/logout")
    async def logout(request: Request) -> Response:
        desk.sessions.close(request.cookies.get(desk.cookie_name))
        answer = Response(status_code=204)
        answer.delete_cookie(desk.cookie_name, path="/", httponly=True, samesite="strict")
        return answer

    @app.get("/api/v1/me")
    async def me(request: Request) -> Response:
        session = _find_session(request, desk)
        role = session.role if session else Role.VIEWER
        content: dict[str, Any] = {
            "logged_in": session is not None,
            "name": session.name if session else "",
            "role": role.name.lower(),
            "may_command": role >= Role.OPERATOR,
            "expires_in_s": round(desk.sessions.remaining_s(session)) if session else 0,
        }
        return JSONResponse(content, headers={"Cache-Control": "no-store"})


def _add_command(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/v1/command")
    async def command(request: Request) -> Response:
        session = _find_session(request, desk)
        if session is None:
            return _error(401, "log in with the link that the cell printed when it started")
        if session.role < Role.OPERATOR:
            return _error(403, f"the role {session.role.name.lower()} may not command the cell")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _error(415, "the body must be application/json")
        body = await _body(request)
        if body is None:
            return _error(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        try:
            name = _command_name(body)
        except ValueError as error:
            return _error(422, str(error))
        loop = asyncio.get_running_loop()
        by = f"{session.name}@{_peer(request)}"
        result = await loop.run_in_executor(desk.controls, desk.cell.command, name, by)
        content = {"accepted": result.accepted, "message": result.message, "state": result.state}
        return JSONResponse(content, status_code=200 if result.accepted else 409, headers={"Cache-Control": "no-store"})
