"""The reading room by keyboard alone, by screen reader, and at every width and light."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from page_room import OpenRoom, Room, open_room, room_bundle, room_server
from room_files import save_image, save_series

DOCS = Path(__file__).parents[2] / "docs" / "reading-room.md"

__all__ = ["open_room", "room_bundle", "room_server"]  # fixtures

_FOCUS = """() => {
  const one = document.activeElement;
  const box = one.getBoundingClientRect();
  return {
    id: one.id || one.className || one.tagName,
    name: one.getAttribute('aria-label') || one.innerText || one.labels?.[0]?.innerText || '',
    seen: box.width > 0 && box.height > 0,
  };
}"""


def _series(folder: Path) -> Path:
    made = folder / "visit"
    made.mkdir()
    save_series(made)
    return made


def _fill(room: Room, folder: Path) -> None:
    """A rejected case, one that is none, and a series, which is looked at."""
    broken = folder / "broken.png"
    broken.write_bytes(b"\x89PNG")
    room.read(save_image(folder / "white.png", (255, 255, 255, 255)), broken)
    room.read(_series(folder))
    room.case("series of 8 slices")


def test_a_case_is_read_without_a_mouse(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    page, press = room.page, room.page.keyboard.press

    press("Tab")
    assert page.evaluate(_FOCUS)["name"] == "Skip to the reading room"
    while "Choose files" not in page.evaluate(_FOCUS)["name"]:
        press("Tab")
    with page.expect_file_chooser() as chooser:
        press("Enter")
    chooser.value.set_files(sorted(_series(tmp_path).iterdir()))
    room.settled()
    page.wait_for_selector(".job", state="detached")
    with page.expect_file_chooser() as chooser:
        press("o")
    chooser.value.set_files(save_image(tmp_path / "one.png", 3))
    page.wait_for_function(
        "() => document.querySelectorAll('.case').length === 2 && !document.querySelector('.job')"
    )

    press("j")
    page.wait_for_function("() => document.getElementById('corner-name').textContent === 'one.png'")
    press("k")
    page.wait_for_function("() => document.getElementById('corner-name').textContent.startsWith('series')")
    press("m")
    page.wait_for_selector("#whole-card")
    press("Escape")
    press("j")
    press("Delete")
    page.wait_for_function("() => document.querySelectorAll('.case').length === 1")
    assert room.console == []


def test_the_viewer_is_used_without_a_mouse(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    room.read(_series(tmp_path))
    room.settled()
    page, press = room.page, room.page.keyboard.press

    def corner(text: str) -> None:
        page.wait_for_function(
            "text => document.getElementById('corner-slice').textContent === text", arg=text
        )

    press("Home")
    corner("1 / 8")
    press("ArrowDown")
    corner("2 / 8")
    press("End")
    corner("8 / 8")
    press("ArrowUp")
    corner("7 / 8")
    press("PageUp")
    corner("1 / 8")
    room.settled()

    shown = room.text("#corner-window")
    press("Shift+ArrowLeft")
    press("Shift+ArrowUp")
    page.wait_for_function(
        "text => !document.getElementById('corner-window').innerText.includes(text)", arg=shown[:9]
    )
    press("+")
    press("i")
    page.wait_for_function(
        "() => /inverted[^]*zoom 125/.test(document.getElementById('corner-window').textContent)"
    )
    press("r")
    page.wait_for_function("() => /zoom 100/.test(document.getElementById('corner-window').textContent)")
    assert room.text("#corner-window") == shown
    press("h")
    page.wait_for_selector('#stage[data-heat=""]')
    press("2")
    page.wait_for_selector('#stage[data-heat="meningioma"]')
    press("]")
    page.wait_for_function("() => document.getElementById('heat-percent').textContent.startsWith('65')")
    assert room.console == []


def test_shortcuts_are_listed_and_can_be_switched_off(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    room.read(save_image(tmp_path / "one.png", 0))
    room.settled()
    page, press = room.page, room.page.keyboard.press
    press("?")
    page.wait_for_selector("#keys-dialog[open]")
    listed = {
        (row.locator("kbd").inner_text(), row.locator("dt").inner_text())
        for row in page.locator("#keys-body .keys > div").all()
    }
    documented = re.findall(r"^\| (\S.*?) +\| (\S.*?) +\|$", DOCS.read_text("utf-8"), re.MULTILINE)
    assert listed == set(documented) - {("key", "what it does")}
    assert ("Shift ←", "Narrower window") in listed
    page.locator("#single-keys").uncheck()
    press("Escape")
    press("i")
    assert "inverted" not in room.text("#corner-window")
    assert page.locator("#keys-dialog").is_hidden()


def test_every_stop_of_the_focus_has_a_name_and_can_be_seen(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    _fill(room, tmp_path)
    room.page.locator(".skip").focus()
    stops = []
    for _ in range(60):
        room.page.keyboard.press("Tab")
        stop = room.page.evaluate(_FOCUS)
        if stop["id"] in {"BODY", "skip"}:
            break
        stops.append(stop)
    names = [stop["id"] for stop in stops]
    assert len(stops) > 15
    for stop in stops:
        assert stop["name"].strip(), stop
        assert stop["seen"], stop
    order = [
        names.index(name)
        for name in ("open-files", "forget-all", "heat-opacity", "stage", "strip-slice", "export-pdf")
    ]
    assert order == sorted(order)


def test_changes_are_told_to_a_screen_reader(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    _fill(room, tmp_path)
    page = room.page
    said = "text => document.getElementById('status').textContent.includes(text)"
    page.locator(".case", has_text="white.png").click()
    page.wait_for_function(said, arg="white.png: Unlike the training images")
    label = str(page.locator("#canvas").get_attribute("aria-label"))
    assert label.startswith("Rejected") or "Fetching" in label or "Slice" in label


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 375)])
def test_axe_finds_nothing(
    open_room: OpenRoom, tmp_path: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    room = open_room(scheme=scheme, width=width)
    assert room.audit() == []

    _fill(room, tmp_path)
    assert room.audit() == []
    room.case("white.png")
    assert room.audit() == []
    for opener, ready in (("#show-model", "#whole-card"), ("#show-keys", "#keys-dialog[open]")):
        room.page.click(opener)
        room.page.wait_for_selector(ready)
        assert room.audit() == []
        room.page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [375, 1280, 2560])
def test_nothing_overflows_and_the_notice_stays(open_room: OpenRoom, tmp_path: Path, width: int) -> None:
    room = open_room(width=width, height=812 if width == 375 else 1200)
    assert room.overflow() <= 0
    assert room.notice_in_sight()
    _fill(room, tmp_path)
    assert room.overflow() <= 0
    assert room.notice_in_sight()
    room.page.click("#show-keys")
    card, foot = (room.page.locator(one).bounding_box() for one in ("#keys-dialog", "footer"))
    assert card is not None
    assert foot is not None
    assert card["y"] + card["height"] <= foot["y"]
    room.page.keyboard.press("Escape")
    if width == 375:
        room.page.mouse.wheel(0, 600)
        assert room.notice_in_sight()
    stage = room.page.locator("#stage").bounding_box()
    assert stage is not None
    assert stage["width"] * stage["height"] > 0.3 * width * min(width, 800) * (1 if width == 375 else 0.8)


def test_it_is_dark_unless_the_system_is_light(open_room: OpenRoom) -> None:
    lights: dict[str, str] = {}
    schemes: tuple[Literal["dark", "light"], ...] = ("dark", "light")
    room = open_room(scheme="dark")
    for scheme in schemes:
        room.page.emulate_media(color_scheme=scheme)
        lights[scheme] = room.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert lights["dark"] == "rgb(10, 14, 19)"
    assert lights["light"] == "rgb(238, 241, 244)"
