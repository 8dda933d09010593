"""Who may command: the one-time link, sessions, roles, and requests that come from elsewhere."""

from __future__ import annotations

import httpx
import pytest

from cell.hmi.access import MAX_SESSIONS, OneTimeToken, Role, Sessions, is_loopback
from cell.hmi.guard import HostRule, host_name, same_origin
from cell.hmi.view import COMMANDS


def post(client: httpx.Client, command: object, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/api/v1/command", json={"command": command}, headers=named)


def test_every_command_answers_401_when_nobody_is_logged_in(client, cell):
    answers = {command: post(client, command).status_code for command in (*COMMANDS, "nonsense", None)}
    assert set(answers.values()) == {401}, answers
    assert cell.commands == []


def test_command_reaches_the_cell_when_logged_in(engineer, cell):
    for command in COMMANDS:
        assert post(engineer, command).status_code in {200, 409}
        assert cell.commands.pop() == (command, "engineer@127.0.0.1")


def test_answer_says_what_became_of_it_when_commanded(engineer, cell):
    assert post(engineer, "stop").json() == {"accepted": True, "message": "", "state": "Stopped"}
    refused = post(engineer, "stop")
    assert refused.status_code == 409
    assert refused.json() == {"accepted": False, "message": "Stop is not possible in Stopped", "state": "Stopped"}


def test_command_answers_403_when_the_role_is_viewer(serve, cell):
    server = serve(Role.VIEWER)
    with httpx.Client(base_url=server.base_url, trust_env=False) as client:
        client.get(server.login_url)
        assert client.get("/api/v1/me").json()["logged_in"] is True
        assert post(client, "stop").status_code == 403
    assert cell.commands == []


def test_command_is_accepted_when_the_role_is_operator(serve, cell):
    server = serve(Role.OPERATOR)
    with httpx.Client(base_url=server.base_url, trust_env=False) as client:
        client.get(server.login_url)
        assert post(client, "stop").status_code == 200


BAD_BODIES = (
    b"", b"{", b"[]", b'"stop"', b"null", b'{"command":"Stop"}', b'{"command":3}', b'{"command":["stop"]}',
    b'{"command":"stop","force":true}', b'{"command":"state complete"}', b"\xff\xfe", b"[" * 900,
)  # fmt: skip


def test_command_answers_422_when_the_body_is_bad(engineer, cell):
    for body in BAD_BODIES:
        answer = engineer.post("/api/v1/command", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, body
    assert cell.commands == []


def test_command_answers_415_when_the_body_is_no_json_type(engineer, cell):
    # A form from another site can send these types without asking first.
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = engineer.post("/api/v1/command", content=b'{"command":"stop"}', headers={"Content-Type": kind})
        assert answer.status_code == 415
    assert cell.commands == []


def test_body_of_100_kb_is_refused_when_posted(engineer, client, cell):
    body = b'{"command":"stop","x":"' + b"x" * 100_000 + b'"}'
    headers = {"Content-Type": "application/json"}
    assert engineer.post("/api/v1/command", content=body, headers=headers).status_code == 413
    assert engineer.post("/api/v1/command", content=iter([body]), headers=headers).status_code == 413
    assert client.post("/api/v1/command", content=body, headers=headers).status_code == 401
    assert cell.commands == []


def test_link_works_once_when_used_twice(server):
    link = server.login_url
    assert httpx.get(link, trust_env=False).status_code == 303
    again = httpx.get(link, trust_env=False)
    assert again.status_code == 403
    assert "set-cookie" not in again.headers
    assert server.login_url is None


def test_link_is_not_spent_when_guessed_or_only_looked_at(server):
    for token in ("", "wrong", "x" * 43, "%FF%00", "%ED%B3%BF"):
        assert httpx.get(f"{server.base_url}/login?token={token}", trust_env=False).status_code == 403
    assert httpx.head(server.login_url, trust_env=False).status_code != 303
    assert httpx.get(server.login_url, trust_env=False).status_code == 303


def test_cookie_is_kept_from_scripts_and_other_sites_when_set(server):
    cookie = httpx.get(server.login_url, trust_env=False).headers["set-cookie"].lower()
    assert f"cell_session_{server.port}=" in cookie
    for wanted in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert wanted in cookie


def test_old_link_is_void_when_renewed(server):
    old = server.login_url
    new = server.renew_login()
    assert httpx.get(old, trust_env=False).status_code == 403
    assert httpx.get(new, trust_env=False).status_code == 303


def test_me_tells_the_role_when_logged_in_and_out(engineer, client):
    assert client.get("/api/v1/me").json() == {
        "logged_in": False, "name": "", "role": "viewer", "may_command": False, "expires_in_s": 0,
    }  # fmt: skip
    me = engineer.get("/api/v1/me").json()
    assert (me["logged_in"], me["role"], me["may_command"]) == (True, "engineer", True)
    assert 43_000 < me["expires_in_s"] <= 43_200


def test_commands_answer_401_when_logged_out(engineer, cell):
    cookies = dict(engineer.cookies)
    assert engineer.post("/logout").status_code == 204
    assert post(engineer, "stop").status_code == 401
    engineer.cookies.update(cookies)  # a copy of the cookie is worth nothing either
    assert post(engineer, "stop").status_code == 401
    assert cell.commands == []


def test_commands_answer_401_when_the_session_has_expired(serve, clock, cell):
    server = serve(session_lifetime_s=60.0)
    clock.now_s = 1_000_000_000.0
    with httpx.Client(base_url=server.base_url, trust_env=False) as client:
        client.get(server.login_url)
        clock.now_s += 59.0
        assert post(client, "stop").status_code == 200
        clock.now_s += 1.0
        assert post(client, "reset").status_code == 401


def test_link_is_refused_when_a_proxy_stands_between(server):
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        answer = httpx.get(server.login_url, headers={header: "127.0.0.1"}, trust_env=False)
        assert answer.status_code == 403, header
    assert server.login_url is not None


def test_session_is_void_when_the_peer_is_not_loopback(engineer, cell):
    assert post(engineer, "stop", X_Forwarded_For="192.168.0.7").status_code == 401
    assert cell.commands == []


def test_command_answers_403_when_the_origin_is_foreign(engineer, cell):
    for origin in (
        "https://evil.example",
        "http://127.0.0.1:1",
        "null",
        "http://127.0.0.1.evil.example",
        "file://",
        "",
    ):
        assert post(engineer, "stop", Origin=origin).status_code == 403, origin
    assert cell.commands == []


def test_command_is_accepted_when_the_origin_is_the_page(engineer, server):
    assert post(engineer, "stop", Origin=server.base_url, Sec_Fetch_Site="same-origin").status_code == 200


def test_command_answers_403_when_the_browser_says_cross_site(engineer, cell):
    for site in ("cross-site", "same-site"):
        assert post(engineer, "stop", Sec_Fetch_Site=site).status_code == 403
    assert cell.commands == []


def test_everything_answers_403_when_the_host_is_foreign(client):
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.nip.io", "10.0.0.5", "a@localhost", ""):
        for path in ("/", "/api/v1/state", "/picture.jpg", "/login?token=x"):
            assert client.get(path, headers={"Host": host}).status_code == 403, (host, path)


@pytest.mark.parametrize(
    ("bound", "host", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True),
        ("127.0.0.1", "LOCALHOST:9", True),
        ("127.0.0.1", "[::1]:8080", True),
        ("127.0.0.1", "192.168.0.4:8080", False),
        ("127.0.0.1", "cell-7:8080", True),
        ("0.0.0.0", "192.168.0.4:8080", True),
        ("0.0.0.0", "[fd00::4]", True),
        ("0.0.0.0", "rebound.example", False),
        ("0.0.0.0", "cell-7", True),
        ("0.0.0.0", "localhost:x", False),
        ("0.0.0.0", "a/b", False),
        ("0.0.0.0", None, False),
    ],
)
def test_host_rule_tells_own_names_when_bound(bound, host, allowed):
    assert HostRule(bound, ("cell-7",)).allows(host) is allowed


def test_host_name_is_none_when_the_header_holds_more_than_a_host():
    assert host_name("localhost:80") == "localhost"
    assert [host_name(bad) for bad in ("u@h", "h/p", "h?q", "h:99999", "[::1")] == [None] * 5


def test_origin_is_the_same_only_when_the_host_is_equal():
    assert same_origin("http://localhost:80", "localhost:80")
    assert not same_origin("localhost:80", "localhost:80")
    assert not same_origin("ftp://localhost:80", "localhost:80")


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False), ("0.0.0.0", False), ("localhost", False), ("", False),
    ],
)  # fmt: skip
def test_loopback_is_told_by_the_address_when_given(address, loopback):
    assert is_loopback(address) is loopback


def test_token_is_redeemed_once_when_many_try_together():
    import threading

    token = OneTimeToken()
    secret = token.secret
    assert secret is not None and len(secret) >= 40
    wins: list[bool] = []
    threads = [threading.Thread(target=lambda: wins.append(token.redeem(secret))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins.count(True) == 1


def test_sessions_stay_bounded_when_many_are_opened():
    sessions = Sessions(lambda: 0.0, 10.0)
    cookies = [sessions.open("engineer", Role.ENGINEER, loopback_only=True) for _ in range(MAX_SESSIONS + 3)]
    alive = [sessions.find(cookie, "127.0.0.1") is not None for cookie in cookies]
    assert alive == [False] * 3 + [True] * MAX_SESSIONS
    assert sessions.find(cookies[-1], "192.168.0.7") is None
    assert len(set(cookies)) == len(cookies)
