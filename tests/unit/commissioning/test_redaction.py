"""Secrets go, whatever file they stand in and however they are written; what helps stays."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from cell.commissioning.redaction import REDACTED, Redactor

SECRET = "tr0ub4dor&3-Zx9"


def cleaned(*texts: str, people: tuple[str, ...] = ()) -> list[str]:
    redactor = Redactor(people)
    for text in texts:
        redactor.learn(text)
    return [redactor.clean(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        f"password: {SECRET}",
        f"  db_password: '{SECRET}'  # of the plant's database",
        f'"password": "{SECRET}"',
        f'{{"a": 1, "api-key":"{SECRET}", "b": 2}}',
        f'{{"message": "{{\\"token\\": \\"{SECRET}\\"}}"}}',
        f"MQTT_PASSWORD={SECRET}",
        f"export SLACK_TOKEN='{SECRET}'",
        f"[INFO] connecting with --password {SECRET} to host",
        f"[INFO] --token={SECRET}",
        f"psk = {SECRET}",
        f"login.secret: {SECRET}",
        f"opcua://operator:{quote(SECRET, safe='')}@10.0.0.7:4840/line",
        f"http://127.0.0.1:8080/login?token={quote(SECRET, safe='')}",
        f"GET /x?a=1&access_token={quote(SECRET, safe='')} 200",
        "Authorization: Basic " + base64.b64encode(f"operator:{SECRET}".encode()).decode(),
        f"password: |\n  {SECRET}\nnext: 1\n",
        f"password: >-\n  {SECRET[:6]}\n  {SECRET[6:]}\nnext: 1\n",
        f"tokens:\ntoken:\n  - {SECRET}\n  - other-one-77\nnext: 1\n",
        f"credentials:\n  user: bob\n  word: {SECRET}\nnext: 1\n",
        json.dumps({"secret": [SECRET, "second-Value-1"], "next": 1}, indent=2),
        json.dumps({"credentials": {"user": "bob", "word": SECRET}}),
    ],
)
def test_secret_goes_when_it_stands_behind_a_telling_name(text: str) -> None:
    (clean,) = cleaned(text)
    for form in (SECRET, quote(SECRET, safe=""), SECRET[:9], base64.b64encode(SECRET.encode()).decode()[2:-4]):
        assert form not in clean
    assert REDACTED in clean
    if "next" in text:
        assert "next" in clean


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        f"prefix{SECRET}suffix",
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        SECRET.encode().hex(":"),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"u:{SECRET}".encode()).decode(),
        base64.b64encode(f"us:{SECRET}!".encode()).decode(),
        base64.urlsafe_b64encode(f"{SECRET}~~~".encode()).decode(),
        f"{SECRET[:7]}\n    {SECRET[7:]}",
        f'"{SECRET[:4]}" + "{SECRET[4:]}"',
        f"{SECRET[:4]}\\n{SECRET[4:8]}\\n{SECRET[8:]}",
        f'["{SECRET[:5]}", "{SECRET[5:]}"]',
        SECRET[::-1],
    ],
)
def test_known_secret_goes_from_other_files_when_it_is_encoded_or_split(form: str) -> None:
    redactor = Redactor()
    redactor.learn(f"password: {SECRET}")
    text = f"2026-11-21 12:00:00 part 17 said {form} and went on"
    assert redactor.leaks(text)
    clean = redactor.clean(text)
    assert not redactor.leaks(clean)
    assert form not in clean
    assert REDACTED in clean
    assert clean.startswith("2026-11-21 12:00:00 part 17 said ")
    assert clean.endswith(" and went on")


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "glpat-20charsABCDEFGHIJKLM",
        "HuBbHc3_1p2SLEx72hmKMAjOhJ0jx_rKp81FbsHmm4w",
        "Zm9vYmFyQmF6MTIzNDU2Nzg5MEFCQ0RFRmdoaWprbA==",
    ],
)
def test_token_goes_when_only_its_form_tells(secret: str) -> None:
    (clean,) = cleaned(f"reply was {secret} ok")
    assert clean == f"reply was {REDACTED} ok"


def test_private_key_goes_with_each_of_its_lines() -> None:
    body = [f"MIIEowIBAAKCAQEA{letter * 40}Q" for letter in "abc"]
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(body) + "\n-----END RSA PRIVATE KEY-----"
    one, other, tail, escaped = cleaned(
        f"before\n{key}\nafter", f"a line alone {body[1]}", "\n".join(key.splitlines()[2:]) + "\nafter",
        json.dumps({"file": key}),
    )  # fmt: skip
    for text in (one, other, tail, escaped):
        assert not any(line in text for line in body)
    assert one.startswith("before\n")
    assert one.endswith("\nafter")
    assert tail.endswith("after")


def test_people_go_and_machines_stay() -> None:
    (clean,) = cleaned(
        "/home/mina/cell/x.log by mina <mina.kim@plant.co.kr> on cell-pc-3 10.1.2.3 /home/other/y", people=("mina",)
    )
    assert "mina" not in clean
    assert "/home/USER/cell/x.log" in clean
    assert "cell-pc-3 10.1.2.3" in clean
    assert "other" not in clean


@pytest.mark.parametrize(
    "text",
    [
        "model f594de08191d" + "0" * 52 + " is its card's",
        "commit 33781ed0c4f6bdc0c1b2a3d4e5f60718293a4b5c",
        "/dev/serial/by-id/usb-FTDI_USB-RS485_Cable_FT1ABCDE-if00-port0",
        "the parts passed; action pass; auth failed; token expired; password is wrong",
        '{"action": "pass", "bin": "", "policy": "spt", "reason": "nearest"}',
        "Execute -> Aborting (safety inputs are not read)",
        "PWD=/work/cell",
        "control_msgs/action/FollowJointTrajectory_SendGoal_Request",
        "key: gripper.port; keyboard: us; author: nobody; tokens: 3",
        "password: null\ntoken: none\nsecret: false",
        "a/b/c/LongFileName2WithManyWordsInside/AndMoreOfThem3.yaml",
        "1795280484.989923666 123456789012345678901234567890",
    ],
)
def test_text_stays_when_it_holds_no_secret(text: str) -> None:
    assert cleaned(text) == [text]


def test_words_of_the_language_stay_everywhere_when_they_stand_behind_a_telling_name() -> None:
    first, second = cleaned("password: required\nauth: failed\n", "the check failed, an answer is required")
    assert second == "the check failed, an answer is required"
    assert "failed" in first


def test_json_stays_json() -> None:
    content = {"password": "abcDEF123!x", "pin": 1234, "list": [{"token": "qwe987RTY65"}], "n": 1.5, "key": "v"}
    for indent in (None, 2):
        (clean,) = cleaned(json.dumps(content, indent=indent))
        found = json.loads(clean)
        assert found["password"] == found["pin"] == found["list"][0]["token"] == REDACTED
        assert (found["n"], found["key"]) == (1.5, "v")
