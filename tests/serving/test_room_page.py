"""The reading room as a person uses it, by mouse: files in, answers, the viewer, and nothing left behind."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
from page_room import OpenRoom, Server, open_room, room_bundle, room_server, running
from room_files import FAINT, SERIES_CLASSES, save_dicom, save_image, save_nifti, save_series, save_zip

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.prediction import NOTICE

__all__ = ["open_room", "room_bundle", "room_server"]  # fixtures


def test_page_is_small_and_asks_nobody_else(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    room.page.wait_for_load_state("networkidle")
    loaded = room.page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map(one => [one.name, one.decodedBodySize])"
    )

    assert len(loaded) > 15
    assert sum(size for _, size in loaded) < 150_000
    assert "Drop a scan here" in room.text("#welcome")
    assert room.text("#notice") == NOTICE

    room.read(save_image(tmp_path / "a.png", 0))
    room.settled()
    assert room.elsewhere() == []
    assert room.console == []


def test_every_kind_of_file_is_answered(open_room: OpenRoom, tmp_path: Path) -> None:
    folder = tmp_path / "visit"
    folder.mkdir()
    save_series(folder)
    files = [
        save_image(tmp_path / "plain.png", 0),
        save_image(tmp_path / "photo.jpg", 1),
        save_dicom(tmp_path / "single.dcm"),
        save_nifti(tmp_path / "volume.nii.gz"),
        save_zip(tmp_path / "some.zip"),
    ]
    room = open_room()
    room.read(*files, folder)

    told = {row.inner_text() for row in room.page.locator("#case-list > li").all()}
    rows = {re.sub(r"\s+", " ", text) for text in told}
    for name, answer in {
        "plain.png": "Glioma",
        "photo.jpg": "Meningioma",
        "single.dcm": "Glioma",
        "some.zip!scans/first.png": "Meningioma",
        "some.zip!scans/second.png": "Pituitary tumour",
    }.items():
        row = next(row for row in rows if name.rpartition("!")[2] in row)
        assert re.search(rf"^{answer} answered \d+ %", row), row
    volume = next(row for row in rows if "volume.nii.gz" in row)
    series = next(row for row in rows if "series of 8 slices" in row)
    assert "8 slices" in volume
    assert "8 slices" in series
    assert "experimental" in series
    failure = next(row for row in rows if "broken.png" in row)
    assert not re.search(r"\d %", failure)
    assert room.text("#cases-count") == "7"
    room.page.wait_for_function("() => document.querySelectorAll('.case-row[data-painted]').length === 7")
    assert "Zaphod" not in room.page.content()

    room.case("volume.nii.gz")
    assert room.text("#letter-top") in {"A", "S"}
    assert "cm" in room.text("#scale") or "mm" in room.text("#scale")
    assert room.console == []


def test_answers_in_words(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    room.read(save_image(tmp_path / "both.png", (240, 240, 60, 60)))
    room.settled()
    assert room.text("#set-words") == "glioma or meningioma, 95 % coverage"
    assert room.text(".answer .verdict") == "Uncertain"
    assert room.text("#answer-title") == "Glioma or meningioma"

    room.read(save_image(tmp_path / "white.png", (255, 255, 255, 255)))
    room.case("white.png")
    assert room.text("#answer-title") == "Unlike the training images"
    assert re.search(r"Novelty 2\.\d+ is above the limit of 2\.2", room.text("#novelty-warning"))

    room.read(save_image(tmp_path / "sure.png", 3))
    room.case("sure.png")
    assert re.fullmatch(r"Pituitary tumour \d\d % ?", room.text("#answer-title"))
    assert room.text("#set-words") == "pituitary tumour, 95 % coverage"
    shares = [
        float(re.sub(r"[^\d.]", "", text)) for text in room.page.locator(".bar-value").all_inner_texts()
    ]
    assert len(shares) == 4
    assert 98 < sum(shares) < 102


def test_heat_map_follows_slider_class_and_switch(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    room.read(save_image(tmp_path / "a.png", 0))
    room.settled()
    half = room.canvas()

    room.page.locator("#heat-opacity").fill("100")
    full = room.canvas()
    room.page.locator("#heat-opacity").fill("0")
    none = room.canvas()

    def colour(picture: np.ndarray) -> int:
        return int((picture.max(axis=2) - picture.min(axis=2)).astype(np.int64).sum())

    assert colour(none) == 0
    assert colour(full) > 1.5 * colour(half) > 0
    assert room.text("#heat-percent") == "0 %"

    room.page.locator("#heat-opacity").fill("100")
    room.page.get_by_role("radio", name="Pituitary tumour").check()
    room.page.wait_for_selector('#stage[data-heat="pituitary"]')
    other = room.canvas()
    glow = [
        np.argwhere(picture.max(axis=2) - picture.min(axis=2) > 60).mean(axis=0) for picture in (full, other)
    ]
    assert (glow[1] > glow[0] + 50).all()  # bottom right in place of top left

    room.page.locator("#heat-on").uncheck()
    assert colour(room.canvas()) == 0


def test_series_scrolls_by_wheel_slider_and_strip(open_room: OpenRoom, tmp_path: Path) -> None:
    folder = tmp_path / "visit"
    folder.mkdir()
    save_series(folder)
    room = open_room()
    room.read(folder)
    room.settled()
    page, last = room.page, len(SERIES_CLASSES)
    assert page.locator("#strip").get_attribute("data-slices") == str(last)
    assert f"All {last} slices, experimental" in room.text("#series-answer")

    def at(position: int) -> None:
        page.wait_for_function(
            "text => document.getElementById('corner-slice').textContent === text", arg=f"{position} / {last}"
        )
        answer = CLASS_ORDER[SERIES_CLASSES[position - 1]].label
        assert room.text("#answer-title").lower().startswith(answer)
        assert f"Slice {position} of {last}: answered, {answer}" in str(
            page.locator("#strip-slice").get_attribute("aria-valuetext")
        )

    page.locator("#strip-slice").fill("1")
    at(1)
    page.locator("#stage").hover()
    for position in (2, 3, 4):
        page.mouse.wheel(0, 40)
        at(position)
    page.mouse.wheel(0, -40)
    at(3)
    box = page.locator("#strip").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 5.5 / last, box["y"] + 10)
    at(6)
    page.get_by_role("button", name="Slice with the most evidence").click()
    assert room.text("#corner-slice")[0] in "3456"


def test_a_narrow_window_shows_what_eight_bits_cannot(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    room.read(save_dicom(tmp_path / "deep.dcm"))
    room.settled()
    room.page.locator("#heat-on").uncheck()
    page = room.page
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2

    def step() -> int:
        """Of gray across the middle of the lower half."""
        seen = room.canvas()[..., 0]
        row = seen[int(seen.shape[0] * 0.7)]
        middle = row.size // 2
        return int(row[middle + 20]) - int(row[middle - 20])

    assert step() <= 1
    for _ in range(4):  # to the left is narrower: by a factor e for 220 pixels
        page.mouse.move(x + 250, y)
        page.mouse.down()
        page.mouse.move(x - 150, y, steps=2)
        page.mouse.up()
    width = float(room.text("#corner-window").split()[3])
    assert width < 20
    assert step() > 100 > 255 * FAINT / 20000

    before = room.canvas()
    page.get_by_role("button", name="Invert").click()
    assert np.abs(room.canvas() + before - 255)[before.shape[0] // 2, before.shape[1] // 2].max() <= 1
    page.get_by_role("button", name="Reset window, zoom and place").click()
    assert step() <= 1


def test_zoom_and_pan(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    room.read(save_image(tmp_path / "a.png", 0))
    room.settled()
    page = room.page
    page.locator("#heat-on").uncheck()
    fitted = room.canvas()
    page.locator("#stage").hover()
    page.mouse.wheel(0, -400)
    page.wait_for_function("() => !document.getElementById('corner-window').textContent.includes('zoom 100')")
    assert (room.canvas() > 20).mean() > 1.3 * (fitted > 20).mean()

    page.locator('#drag-tools input[value="pan"]').check(force=True)
    zoomed = room.canvas()
    page.mouse.move(500, 400)
    page.mouse.down()
    page.mouse.move(560, 400, steps=2)
    page.mouse.up()
    moved = room.canvas()
    assert np.abs(moved[:, 100:560] - zoomed[:, 40:500]).mean() < 2 < np.abs(moved - zoomed).mean()
    page.locator("#stage").dblclick()
    assert (room.canvas() == fitted).all()


def test_pasted_pictures_and_strange_names(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    name = "<img src=x onerror=alert(1)>.png"
    content = list(save_image(tmp_path / "a.png", 2).read_bytes())
    room.page.evaluate(
        """([name, content]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(content)], name, {type: 'image/png'}));
          document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true}));
        }""",
        [name, content],
    )
    room.settled()
    room.page.wait_for_selector(".job", state="detached")
    assert name in room.text("#case-list")
    assert "No tumour" in room.text("#answer-title")
    assert room.page.locator("img").count() == 0
    assert room.console == []


def test_exports(open_room: OpenRoom, tmp_path: Path) -> None:
    room = open_room()
    room.read(save_image(tmp_path / "one.png", 0))
    room.read(save_image(tmp_path / "two.png", 1))
    room.case("two.png")
    saved = {}
    for button, name in (
        ("#export-pdf", "two.pdf"),
        ("#export-csv", "answers.csv"),
        ("#export-json", "answers.json"),
    ):
        with room.page.expect_download() as download:
            room.page.click(button)
        assert download.value.suggested_filename.endswith(name)
        saved[name] = Path(download.value.path()).read_bytes()

    assert saved["two.pdf"].startswith(b"%PDF-")
    table = saved["answers.csv"].decode().strip().splitlines()
    assert len(table) == 3, table
    assert "one.png" in table[1]
    assert "two.png" in table[2]
    documents = json.loads(saved["answers.json"])
    assert [one["cases"][0]["name"] for one in documents] == ["one.png", "two.png"]


def test_model_card_is_one_click_away(open_room: OpenRoom) -> None:
    room = open_room()
    room.page.click("#show-model")
    room.page.wait_for_selector("#whole-card")
    card = room.text("#model-dialog")
    assert "quadrants 1.0.0" in card
    assert "It only compares the brightness of quadrants." in card
    assert "On patients it has not seen" in card
    assert "164 patients" in card
    assert "accuracy (91.7 % to 95.6 %) 93.7 %" in card
    assert re.search(r"Glioma 93\.1 %", card)
    room.page.keyboard.press("Escape")
    assert not room.page.locator("#model-dialog").is_visible()


def _until(done: object, seconds: float = 30.0) -> None:
    assert callable(done)
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_nothing_stays_on_the_server(open_room: OpenRoom, room_server: Server, tmp_path: Path) -> None:
    store = room_server.service.store
    room = open_room()
    room.read(save_image(tmp_path / "one.png", 0))
    room.read(save_image(tmp_path / "two.png", 1))
    room.case("two.png")
    kept = len(store)
    assert kept >= 2

    room.page.click("#close-case")
    room.page.wait_for_function("() => document.querySelectorAll('.case').length === 1")
    _until(lambda: len(store) == kept - 1)
    room.page.goto("about:blank")
    _until(lambda: len(store) == kept - 2)


def test_files_are_sent_again_where_the_server_has_forgotten(open_room: OpenRoom, tmp_path: Path) -> None:
    folder = tmp_path / "visit"
    folder.mkdir()
    save_series(folder)
    room = open_room()
    room.read(folder)
    room.settled()
    room.page.locator("#strip-slice").fill("2")
    store = room.server.service.store
    for name in list(store._sets):
        store.forget(name)
    room.page.evaluate("import('/static/js/pixels.js').then(pixels => pixels.forgetPixels())")
    room.page.locator("#strip-slice").fill("7")
    room.page.get_by_role("button", name="Send the files again").click()
    room.page.wait_for_function("() => document.getElementById('corner-slice').textContent === '7 / 8'")
    room.settled()
    assert room.page.locator("#stage-note").is_hidden()


def test_token_is_asked_for_and_kept_in_memory(
    open_room: OpenRoom, room_bundle: Path, tmp_path: Path
) -> None:
    with running(room_bundle, token="open sesame") as guarded:
        room = open_room(guarded)
        room.drop(save_image(tmp_path / "a.png", 0))
        for given in ("wrong", "open sesame"):
            room.page.wait_for_selector("#token-dialog[open]")
            if given != "wrong":
                room.page.wait_for_function(
                    "() => document.getElementById('token-why').textContent.includes('does not take')"
                )
            room.page.fill("#token", given)
            room.page.keyboard.press("Enter")
        room.settled()
        assert room.text("#answer-title").startswith("Glioma")
        assert (
            room.page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
        )
        room.page.wait_for_selector(".job", state="detached")
        room.page.goto("about:blank")
        _until(lambda: len(guarded.service.store) == 0)


def test_a_busy_server_is_asked_again(open_room: OpenRoom, room_server: Server, tmp_path: Path) -> None:
    room = open_room()
    service = room_server.service
    waiting = service.settings.queue
    service.active += waiting
    try:
        room.drop(save_image(tmp_path / "a.png", 0))
        room.page.wait_for_function("() => document.querySelector('.job')?.textContent.includes('busy')")
    finally:
        service.active -= waiting
    room.settled()
    assert room.text("#answer-title").startswith("Glioma")


def test_what_cannot_be_read_is_said(open_room: OpenRoom, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_bytes(b"these are notes")
    room = open_room()
    room.read(path)
    told = room.text("#case-list")
    assert told.startswith("notes.png")
    assert "format" in told
    room.page.get_by_role("button", name="Dismiss notes.png").click()
    room.page.wait_for_selector('html[data-room="empty"]')
    assert room.page.locator("#welcome").is_visible()


def test_dropped_folders_inside_folders(open_room: OpenRoom, tmp_path: Path) -> None:
    inner = tmp_path / "study" / "deep" / "deeper"
    inner.mkdir(parents=True)
    save_image(inner / "leaf.png", 1)
    save_image(tmp_path / "study" / "top.png", 0)
    (inner / ".DS_Store").write_bytes(b"rubbish")
    room = open_room()
    room.read(tmp_path / "study")
    told = room.text("#case-list")
    assert "leaf.png" in told
    assert "top.png" in told
    assert room.page.locator(".failure").count() == 0


def test_touch_scrolls_a_series(open_room: OpenRoom, tmp_path: Path) -> None:
    folder = tmp_path / "visit"
    folder.mkdir()
    save_series(folder)
    room = open_room(width=375, touch=True)
    room.read(folder)
    room.settled()
    room.page.locator('#drag-tools input[value="scroll"]').check(force=True)
    room.page.locator("#strip-slice").fill("1")
    room.page.wait_for_function("() => document.getElementById('corner-slice').textContent === '1 / 8'")
    box = room.page.locator("#stage").bounding_box()
    assert box is not None
    session = room.page.context.new_cdp_session(room.page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 4):
        session.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y + 16 * step}]}
        )
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    room.page.wait_for_function("() => document.getElementById('corner-slice').textContent[0] > '2'")


def test_sending_is_shown_and_can_be_stopped(open_room: OpenRoom, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(3_000_000))
    room = open_room()
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000}
    session = room.page.context.new_cdp_session(room.page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", slow)
    room.drop(large)
    on_the_way = "document.querySelector('.job progress:not(:indeterminate)')?.value"
    room.page.wait_for_function(f"() => {on_the_way} > 0.05 && {on_the_way} < 0.95")
    assert re.fullmatch(r"Sending 1 file: \d+ % of 3\.0 MB", room.text(".job p"))
    room.page.get_by_role("button", name="Cancel").click()
    room.page.wait_for_selector(".job", state="detached")
    assert room.page.locator("#welcome").is_visible()
    assert room.page.locator("#case-list > li").count() == 0
