"""The server itself: what it answers, how it starts and stops, and that a slow page hurts nobody."""

from __future__ import annotations

import json
import socket
import threading

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from cell.hmi.server import PageServer
from perception.errors import InputError


def socket_url(server: PageServer, path: str = "/ws") -> str:
    return server.base_url.replace("http", "ws") + path


def test_state_is_the_snapshot_when_read(client, cell):
    cell.state = "Held"
    state = client.get("/api/v1/state").json()
    assert state["state"]["name"] == "Held"
    assert state["counts"]["entered"] == cell.counts["entered"]
    assert set(state) == set(cell.snapshot())


def test_cell_is_asked_once_when_many_read_in_a_period(client, cell, clock):
    clock.now_s = 50.0
    for _ in range(20):
        assert client.get("/api/v1/state").status_code == 200
        assert client.get("/healthz").status_code == 200
        assert client.get("/picture.jpg").status_code == 200
    assert (cell.snapshots, cell.picture_asks) == (1, 1)
    clock.now_s += 0.21
    client.get("/api/v1/state")
    assert cell.snapshots == 2


def test_picture_is_a_jpeg_when_asked(client):
    answer = client.get("/picture.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR).shape == (480, 640, 3)


def test_picture_answers_404_when_there_is_none(serve, fake):
    class Blind(fake.FakeCell):
        def picture(self):
            return None

    server = serve(cell=Blind())
    assert httpx.get(f"{server.base_url}/picture.jpg", trust_env=False).status_code == 404


def test_health_answers_503_when_the_data_is_old(client, cell, clock):
    clock.now_s = 1.0
    assert client.get("/healthz").json() == {"ok": True, "age_s": 0.05}
    cell.age_s = 30.0
    clock.now_s = 2.0
    assert client.get("/healthz").status_code == 503


def test_page_and_its_files_are_served_when_asked(client):
    page = client.get("/")
    assert page.status_code == 200 and '<div id="page">' in page.text
    assert "<script>" not in page.text and "style=" not in page.text
    for path in (line.split('"')[0] for line in page.text.split('="/')[1:]):
        answer = client.get(f"/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] != "application/octet-stream"
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    assert client.get("/", headers={"Accept-Encoding": "identity"}).text == page.text


def test_other_paths_answer_404_when_asked(client):
    for path in ("/nothing", "/../view.py", "/%2e%2e/view.py", "/assets/", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 404, path


def test_security_headers_are_there_when_anything_is_answered(client):
    for path in ("/", "/api/v1/state", "/api/v1/me", "/nothing", "/picture.jpg"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_socket_sends_a_whole_snapshot_then_changes_when_connected(server, cell):
    cell.state = "Execute"
    with connect(socket_url(server), proxy=None) as page:
        first = json.loads(page.recv(5.0))
        second = json.loads(page.recv(5.0))
    assert set(first) == set(cell.snapshot())
    assert second["counts"]["entered"] > first["counts"]["entered"]
    assert "model" not in second and "stamp_s" in second


def test_socket_waits_for_the_page_when_it_once_said_next(server, cell):
    with connect(socket_url(server), proxy=None) as page:
        page.recv(5.0)
        page.send("next")
        before = json.loads(page.recv(5.0))["stamp_s"]
        with pytest.raises(TimeoutError):
            for _ in range(3):  # what was pushed before the word arrived
                before = json.loads(page.recv(0.6))["stamp_s"]
        asked = cell.snapshots
        cell.state = "Held"
        page.send("next")
        after = json.loads(page.recv(5.0))
    # What it gets then is of then, not what piled up meanwhile.
    assert after["state"]["name"] == "Held" and after["stamp_s"] > before
    assert cell.snapshots <= asked + 2


def test_socket_is_refused_when_origin_or_host_is_foreign(server):
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
        for path in ("/ws", "/ws/picture"):
            with (
                pytest.raises(InvalidStatus) as caught,
                connect(socket_url(server, path), additional_headers=headers, proxy=None),
            ):
                pass
            assert caught.value.response.status_code == 403
    with connect(socket_url(server), origin=server.base_url, proxy=None) as page:
        assert page.recv(5.0)


def test_pictures_come_one_for_each_ask_when_asked(server, cell):
    with connect(socket_url(server, "/ws/picture"), proxy=None) as page:
        assert cell.picture_asks == 0
        for _ in range(2):
            page.send("next")
            assert page.recv(5.0)[:2] == b"\xff\xd8"
        with pytest.raises(TimeoutError):
            page.recv(0.3)
    assert 2 <= cell.picture_asks <= 3


def test_nothing_is_asked_of_the_cell_when_nobody_looks(server, cell):
    with connect(socket_url(server), proxy=None) as page:
        page.recv(5.0)
    httpx.get(f"{server.base_url}/api/v1/me", trust_env=False)
    asked = cell.snapshots
    with pytest.raises(TimeoutError), connect(socket_url(server, "/ws/picture"), proxy=None) as page:
        page.recv(0.6)
    assert cell.snapshots <= asked + 1


def test_others_get_every_snapshot_when_one_page_reads_nothing(server, cell):
    cell.ballast = "x" * 400_000  # a few of these fill the slow page's buffers
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    with raw, connect(socket_url(server), proxy=None, max_size=None) as quick:
        stamps = []
        for index in range(6):
            cell.ballast = str(index) * 400_000
            stamps.append(json.loads(quick.recv(5.0))["stamp_s"])
        assert stamps == sorted(set(stamps)) and len(stamps) == 6
        # A reader that waits for its answer is quick as well.
        assert httpx.get(f"{server.base_url}/healthz", trust_env=False, timeout=2.0).status_code == 200


def test_pages_wait_but_commands_pass_when_a_snapshot_hangs(server, engineer, cell):
    cell.gate.clear()
    with connect(socket_url(server), proxy=None) as page:
        with pytest.raises(TimeoutError):
            page.recv(0.3)
        assert engineer.post("/api/v1/command", json={"command": "stop"}, timeout=2.0).status_code == 200
        cell.gate.set()
        assert json.loads(page.recv(5.0))["state"]["name"] == "Stopped"


def test_reading_goes_on_when_commands_take_long(server, engineer, cell, monkeypatch):
    release = threading.Event()
    result = cell.command("reset", "nobody")
    monkeypatch.setattr(cell, "command", lambda name, by: (release.wait(10.0), result)[1])
    asking = threading.Thread(target=lambda: engineer.post("/api/v1/command", json={"command": "stop"}, timeout=10.0))
    asking.start()
    try:
        answer = httpx.get(f"{server.base_url}/api/v1/state", trust_env=False, timeout=2.0)
        assert answer.status_code == 200
    finally:
        release.set()
        asking.join()


def test_start_names_the_port_when_it_is_in_use(server, cell):
    with pytest.raises(InputError, match=f"--port: port {server.port} is in use"):
        PageServer(cell, port=server.port).start()


@pytest.mark.parametrize("port", [-1, 65536, 8_000_000])
def test_start_refuses_a_port_when_it_cannot_exist(cell, port):
    with pytest.raises(InputError, match=f"--port: .*{port}"):
        PageServer(cell, port=port).start()


def test_start_names_the_host_when_it_is_not_ours(cell):
    with pytest.raises(InputError, match=r"203\.0\.113\.7"):
        PageServer(cell, host="203.0.113.7", port=0).start()


def test_port_is_free_again_when_stopped_with_pages_open(serve, cell):
    server = serve()
    with connect(socket_url(server), proxy=None) as page:
        page.recv(5.0)
        server.stop()
        with pytest.raises(ConnectionClosed):
            while True:
                page.recv(5.0)
    again = PageServer(cell, port=server.port)
    again.start()
    again.stop()
    again.stop()
    assert not any(thread.name == "page" for thread in threading.enumerate())


def test_too_many_sockets_are_turned_away_when_the_limit_is_reached(serve, monkeypatch):
    monkeypatch.setattr("cell.hmi.sockets.MAX_SOCKETS", 2)
    server = serve()
    with connect(socket_url(server), proxy=None), connect(socket_url(server), proxy=None) as second:
        second.recv(5.0)
        with pytest.raises(InvalidStatus), connect(socket_url(server), proxy=None):
            pass
    # Closed sockets give their places back.
    for _ in range(50):
        try:
            with connect(socket_url(server), proxy=None) as page:
                assert page.recv(5.0)
                break
        except InvalidStatus:
            continue
    else:
        pytest.fail("no place became free")
