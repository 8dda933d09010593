"""The operator page in a real browser: it moves, commands, speaks two languages, and admits when it is out of date."""

from __future__ import annotations

import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

BUTTONS = ("start", "stop", "reset", "clear", "abort", "hold", "unhold", "suspend", "unsuspend", "complete")


def entered(page) -> int:
    return int(page.get_by_test_id("count-entered").get_attribute("data-value"))


def test_counts_and_picture_move_when_the_cell_runs(open_page, cell):
    cell.state = "Execute"
    page = open_page()
    expect(page.get_by_test_id("state")).to_have_text("Execute")
    before = entered(page)
    picture = page.get_by_test_id("picture")
    picture.wait_for()
    first = picture.get_attribute("src")
    expect(page.get_by_test_id("count-entered")).not_to_have_attribute("data-value", str(before))
    assert entered(page) > before
    expect(picture).not_to_have_attribute("src", first)
    expect(picture).to_have_js_property("naturalWidth", 640)
    expect(page.get_by_test_id("rate-picks")).to_have_text("7.4")
    assert page.get_by_test_id("trend").locator("canvas").count() == 1


def test_no_button_works_when_nobody_is_logged_in(open_page, server, cell):
    cell.state = "Execute"
    page = open_page()
    for name in BUTTONS:
        expect(page.get_by_test_id(f"button-{name}")).to_be_disabled()
    expect(page.get_by_test_id("login-hint")).to_be_visible()
    expect(page.get_by_test_id("role")).to_have_attribute("data-role", "viewer")
    answer = page.request.post(f"{server.base_url}/api/v1/command", data={"command": "stop"})
    assert answer.status == 401
    assert cell.commands == []


def test_reset_start_and_stop_drive_the_cell_when_logged_in(open_page, server, cell):
    page = open_page(server.login_url)
    assert "token" not in page.url
    state = page.get_by_test_id("state")
    for button, name in (("reset", "Idle"), ("start", "Execute"), ("stop", "Stopped")):
        page.get_by_test_id(f"button-{button}").click()
        expect(state).to_have_attribute("data-state", name)
        expect(page.get_by_test_id("command-result")).to_contain_text("accepted")
    assert [name for name, _ in cell.commands] == ["reset", "start", "stop"]
    expect(page.get_by_test_id("reason")).to_have_text("Stop by engineer@127.0.0.1")


def test_only_allowed_commands_can_be_pressed_when_the_state_changes(open_page, server, cell):
    page = open_page(server.login_url)
    expect(page.get_by_test_id("button-reset")).to_be_enabled()
    expect(page.get_by_test_id("button-abort")).to_be_enabled()
    for name in ("start", "stop", "clear", "hold"):
        expect(page.get_by_test_id(f"button-{name}")).to_be_disabled()
    page.get_by_test_id("button-abort").click()
    expect(page.get_by_test_id("button-clear")).to_be_enabled()
    expect(page.get_by_test_id("button-abort")).to_be_disabled()


def test_refusal_is_shown_in_words_when_the_cell_refuses(open_page, server, cell):
    page = open_page(server.login_url)
    cell.gate.clear()  # the page still shows Stopped
    page.get_by_test_id("stale").wait_for()
    page.get_by_test_id("button-stop").click()
    expect(page.get_by_test_id("command-result")).to_contain_text("Stop: refused")
    expect(page.get_by_test_id("command-result")).to_contain_text("Stop is not possible in Stopped")


def test_buttons_go_when_logged_out(open_page, server):
    page = open_page(server.login_url)
    expect(page.get_by_test_id("button-reset")).to_be_enabled()
    page.get_by_test_id("logout").click()
    expect(page.get_by_test_id("button-reset")).to_be_disabled()
    expect(page.get_by_test_id("login-hint")).to_be_visible()


def test_language_switches_and_is_remembered_when_chosen(open_page):
    page = open_page()
    state = page.get_by_test_id("state")
    expect(state).to_have_text("Stopped")
    page.get_by_test_id("lang-ko").click()
    expect(state).to_have_text("정지")
    expect(page.get_by_test_id("button-start")).to_have_text("시작")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.reload()
    expect(state).to_have_text("정지")
    expect(page.get_by_test_id("lang-ko")).to_have_attribute("aria-pressed", "true")
    page.get_by_test_id("lang-en").click()
    expect(state).to_have_text("Stopped")


def test_language_is_korean_when_the_browser_is(open_page):
    page = open_page(locale="ko-KR")
    expect(page.get_by_test_id("state")).to_have_text("정지")
    words = page.locator("body").inner_text()
    left = set(re.findall(r"[A-Za-z]{4,}", words))
    # Names stay: of the product, the standard, the models and what the cell itself says.
    named = {"cellwright", "PackML", "Stopped", "English", "Modbus", "Robotiq", "frames", "delta", "AGPL", "only"}
    said = {"Waiting", "operator"}
    assert left <= named | said, left - named - said


def test_reasons_are_translated_when_the_cell_gives_them(open_page, cell):
    page = open_page(locale="ko-KR")
    reason = page.get_by_test_id("reason")
    for english, korean in (
        ("emergency stop pressed", "비상 정지가 눌림"),
        ("gripper: silent for 2.3 s", "그리퍼: 2.3초 동안 응답 없음"),
        ("Stop by engineer@127.0.0.1", "engineer@127.0.0.1의 정지 명령"),
        ("Starting did not end within 15 s", "시작 중 상태가 15초 안에 끝나지 않음"),
        ("Something (new) [in] the cell?", "Something (new) [in] the cell?"),
    ):
        cell.reason = english
        expect(reason).to_have_text(korean)
    page.get_by_test_id("lang-en").click()
    cell.reason = "gripper: silent for 2.3 s"
    expect(reason).to_have_text("Gripper: silent for 2.3 s")


def test_hangul_comes_with_the_page_when_shown(open_page):
    page = open_page(locale="ko-KR")
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate("[...document.fonts].filter(f => f.status === 'loaded').map(f => f.unicodeRange)")
    assert any("AC00" in ranges or "U+B" in ranges for ranges in loaded)


def test_old_data_is_shown_as_old_when_the_cell_hangs_and_recovers(open_page, cell):
    cell.state = "Execute"
    page = open_page()
    expect(page.get_by_test_id("stale")).to_have_count(0)
    cell.gate.clear()
    expect(page.get_by_test_id("stale")).to_be_visible()
    expect(page.get_by_test_id("page")).to_have_attribute("data-stale", "true")
    cell.gate.set()
    expect(page.get_by_test_id("stale")).to_have_count(0)


def test_old_data_is_shown_as_old_when_the_cell_says_so(open_page, cell):
    cell.age_s = 4.2
    page = open_page()
    expect(page.get_by_test_id("stale")).to_contain_text("4 s")


def test_page_comes_back_when_the_server_was_gone(open_page, server, cell):
    page = open_page()
    server.stop()
    expect(page.get_by_test_id("stale")).to_be_visible()
    cell.state = "Execute"
    server.start()  # on the same port
    expect(page.get_by_test_id("stale")).to_have_count(0)
    expect(page.get_by_test_id("state")).to_have_attribute("data-state", "Execute")


def test_alarm_and_fault_are_shown_when_they_come_and_go(open_page, cell):
    page = open_page()
    bar = page.get_by_test_id("alarm-bar")
    expect(bar).to_have_attribute("data-count", "0")
    cell.devices[1] = {"name": "gripper", "ok": False, "detail": "no answer for 1.2 s"}
    cell.alarms.append(
        {"key": "gripper.lost", "priority": 4, "active": True, "acknowledged": False,
         "message": "Gripper does not answer <b>now</b>", "since_s": 3.0}
    )  # fmt: skip
    expect(bar).to_contain_text("Critical")
    expect(bar).to_contain_text("Gripper does not answer <b>now</b>")
    expect(page.get_by_test_id("device-gripper")).to_have_attribute("data-ok", "false")
    expect(page.get_by_test_id("device-gripper")).to_contain_text("Fault")
    cell.alarms.clear()
    expect(bar).to_contain_text("No alarms")


@pytest.mark.parametrize("size", [(1280, 800), (820, 1180), (390, 844), (320, 640)])
def test_nothing_overflows_and_targets_are_big_when_the_screen_is(open_page, cell, server, size):
    cell.alarms.append(
        {"key": "long", "priority": 3, "active": True, "acknowledged": True,
         "message": "A long message about a device whose name nobody could shorten", "since_s": 7300.0}
    )  # fmt: skip
    page = open_page(server.login_url, size=size)
    for language in ("ko", "en"):
        page.get_by_test_id(f"lang-{language}").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        small = page.evaluate(
            "[...document.querySelectorAll('button')].filter(b => b.offsetWidth < 44 || b.offsetHeight < 44).length"
        )
        assert small == 0


def test_page_works_by_keyboard_when_no_mouse_is_there(open_page, server, cell):
    page = open_page(server.login_url)
    expect(page.get_by_test_id("button-reset")).to_be_enabled()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # the first command that can be pressed in Stopped
    assert page.evaluate("document.activeElement.dataset.testid") == "button-reset"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("state")).to_have_attribute("data-state", "Idle")
