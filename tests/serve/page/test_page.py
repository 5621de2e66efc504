"""The page in a real browser, from a dropped picture to the operator's word in the log."""

import re
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from iad.bundles.bundle import read_bundle
from iad.bundles.predictor import load
from iad.decision.promises import ranks_within
from iad.serve.log import VerdictLog
from tests.serve.page.conftest import KEY, judged

pytest.importorskip("nicegui")

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def logged(folder):
    with VerdictLog(folder / "a.db") as log:
        return list(log.entries())


def shown_colour(page, selector, of="backgroundColor"):
    colour = page.eval_on_selector(selector, f"it => getComputedStyle(it).{of}")
    return tuple(int(value) for value in re.findall(r"\d+", colour)[:3])


def contrast(one, other):
    """Of two colours, as WCAG 2.2 has it: from 1 to 21."""

    def luminance(colour):
        shares = np.array(colour) / 255
        linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_dropped_picture_gets_the_predictors_verdict_to_the_digit(server, opened, pictures, bundle):
    address, folder = server
    page = opened(address)
    judged(page, pictures[:1])
    (expected,) = load(bundle).predict(pictures[0])
    assert page.inner_text("[data-test=verdict]") == ("REJECTED" if expected.rejected else "PASSED")
    assert page.get_attribute("[data-test=score]", "title") == repr(expected.pred_score)
    assert page.inner_text("[data-test=score]") == f"score {expected.pred_score:.4f}"
    assert f"p = {expected.p_value:.4f}" in page.inner_text(".iad-oddness")
    assert expected.pred_score in [one.score for one in logged(folder)]


def test_the_picture_is_shown_with_its_colours_which_may_be_hidden(server, opened, pictures):
    page = opened(server[0])
    judged(page, pictures[:1])
    page.wait_for_selector(".iad-heat:visible")
    page.wait_for_function("[...document.querySelectorAll('.iad-picture img')].every(it => it.naturalWidth > 0)")
    page.keyboard.press("h")
    page.wait_for_function("getComputedStyle(document.querySelector('.iad-heat')).opacity === '0'")
    page.wait_for_selector(".iad-goods figure")  # the good parts it was compared with, from the folder of --pictures
    page.wait_for_function("document.querySelector('.iad-goods img')?.naturalWidth > 0")


def test_keys_move_and_overrule_and_the_word_is_in_the_log_with_its_speaker(server, opened, pictures):
    address, folder = server
    page = opened(address)
    page.fill(".iad-speaker input", "Ann")
    page.press(".iad-speaker input", "Tab")
    judged(page, pictures[:3])
    page.click(".iad-row")
    page.wait_for_selector(".iad-row.chosen >> nth=0")
    newest = page.get_attribute(".iad-part", "data-number")
    page.keyboard.press("j")
    page.wait_for_function("number => document.querySelector('.iad-part').dataset.number !== number", arg=newest)
    number = int(page.get_attribute(".iad-part", "data-number"))
    said = "good" if page.inner_text(".iad-verdict") == "REJECTED" else "bad"
    page.keyboard.press(said[0])
    page.wait_for_function("word => document.querySelector('.iad-word').textContent.endsWith(word)", arg=said)
    assert next(one.word for one in logged(folder) if one.number == number) == said
    with VerdictLog(folder / "a.db") as log:
        assert log.rows("SELECT word, speaker FROM words WHERE verdict = ?", [number]) == [(said, "Ann")]


def test_a_letter_that_is_typed_into_a_field_says_nothing_of_a_part(server, opened, pictures):
    address, folder = server
    page = opened(address)
    judged(page, pictures[:1])
    words = [one.word for one in logged(folder)]
    page.click(".iad-filters input >> nth=-1")
    page.keyboard.type("bgb")
    page.wait_for_selector("text=No such part yet.")
    assert [one.word for one in logged(folder)] == words


def test_the_list_is_filtered_and_a_click_shows_a_part_again(server, opened, pictures):
    page = opened(server[0])
    judged(page, pictures[:3])
    name = pictures[0].name
    page.fill(".iad-filters input >> nth=-1", name)
    page.wait_for_function(
        "name => [...document.querySelectorAll('.iad-what .iad-file')].every(it => it.textContent === name)", arg=name
    )
    page.click(".iad-row")
    page.wait_for_function("name => document.querySelector('.iad-name').textContent.startsWith(name)", arg=name)


def test_a_threshold_on_trial_counts_the_parts_and_changes_nothing(server, opened, pictures, bundle):
    address, folder = server
    page = opened(address)
    judged(page, pictures)
    scores = [one.score for one in logged(folder) if one.score is not None]
    calibration = read_bundle(bundle)[0].calibration.scores
    value = float(np.round(np.quantile(scores, 0.5), 4))
    page.fill(".iad-tune input", str(value))
    rejected, alarms = sum(one >= value for one in scores), int((calibration >= value).sum())
    page.wait_for_function(
        "text => document.querySelector('.iad-effects').textContent.includes(text)", arg=f"{rejected} of {len(scores)}"
    )
    cells = page.locator(".iad-effects > *").all_inner_texts()
    assert cells[2] == f"from {value:.4f} on"
    assert cells[8].startswith(f"{alarms} of {len(calibration)}: ")
    alpha = float(re.search(r"threshold.alpha to (\S+) in", page.inner_text(".iad-command"))[1])
    assert ranks_within(alpha, len(calibration)) == min(1 + alarms, len(calibration))
    at_work = httpx.get(f"{address}/v1/bundles").json()[0]["threshold"]
    assert at_work == read_bundle(bundle)[0].threshold.value


def test_a_folder_of_the_server_is_judged_through_the_same_queue(server, opened, pictures):
    address, folder = server
    before = len(logged(folder))
    page = opened(address)
    page.click("text=Folder")
    page.wait_for_selector("text=Judge all")
    page.click(".iad-folder .q-field")
    page.click(".q-item:has-text('test/')")
    chosen = page.input_value(".iad-folder input")
    number = int(re.search(r"\((\d+)\)$", chosen)[1])
    page.click("text=Judge all")
    page.wait_for_function(f"document.querySelector('#iad-told').textContent.startsWith('{number} of {number}')")
    added = logged(folder)[before:]
    assert len(added) == number
    assert {one.path for one in added} <= {str(one.resolve()) for one in pictures}
    counts = httpx.get(f"{address}/metrics").text
    assert sum(float(it) for it in re.findall(r"iad_verdicts_total\{.*\} ([\d.]+)", counts)) == len(logged(folder))


def test_a_camera_gives_a_picture(server, opened):
    address, folder = server
    page = opened(address)
    page.click("#iad-camera-on")
    page.wait_for_function("document.querySelector('#iad-video').videoWidth > 0")
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('.iad-name').textContent.startsWith('camera-')")
    assert logged(folder)[-1].image_id.endswith(".png")
    page.click("#iad-camera-off")
    assert not page.is_visible("#iad-video")


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>.png", "{{ 7*7 }}'<script>alert(1)<script>.png"])
def test_a_name_is_shown_as_it_is_and_never_run(server, opened, pictures, asked, name):
    page = opened(server[0])
    page.on("dialog", lambda _: asked.append("error: a name was run"))
    judged(page, [{"name": name, "mimeType": "image/png", "buffer": pictures[0].read_bytes()}])
    assert page.inner_text(".iad-name").startswith(name)
    assert not [one for one in asked if one.startswith("error") or urlsplit(one).path == "/x"]


def test_a_torn_picture_is_told(server, opened):
    page = opened(server[0])
    page.set_input_files(
        "#iad-files", {"name": "torn.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n torn"}
    )
    page.wait_for_function("document.querySelector('.iad-verdict').textContent === 'NOT READ'")
    assert "torn.png" in page.inner_text(".iad-oddness")
    assert not page.is_visible(".iad-say"), "nothing can be said of it"
    folder, number = server[1], page.get_attribute(".iad-part", "data-number")
    page.wait_for_timeout(1000)  # a key that comes at once may have been meant for the part before
    page.keyboard.press("g")
    page.wait_for_function("document.querySelector('#iad-told').textContent.includes('could not be read')")
    assert next(one.word for one in logged(folder) if one.number == int(number)) == ""


def test_a_file_that_is_no_picture_keeps_its_name(server, opened):
    page = opened(server[0])
    page.set_input_files("#iad-files", {"name": "note.txt", "mimeType": "text/plain", "buffer": b"Dear all"})
    page.wait_for_function("document.querySelector('.iad-name').textContent.startsWith('note.txt ')")
    assert page.inner_text(".iad-oddness").startswith("note.txt: the content is not a picture")


@pytest.mark.parametrize("value", ["-5", "1e9"])
def test_what_cannot_be_on_trial_is_told(server, opened, pictures, value):
    page = opened(server[0])
    judged(page, pictures[:1])
    page.keyboard.press("b")
    if value == "-5":
        page.fill(".iad-prices input >> nth=0", value)
        page.press(".iad-prices input >> nth=0", "Tab")
        page.wait_for_function("document.querySelector('[data-test=cost]').textContent.includes('cannot be negative')")
    else:
        page.fill(".iad-tune input", value)
        page.wait_for_function("document.querySelector('.iad-effects').textContent.includes('from 1e+09 on')")
        assert page.locator(".iad-histogram rect").count() > 6


def test_nothing_is_asked_of_another_host(server, opened, pictures, asked):
    address, _ = server
    page = opened(address)
    judged(page, pictures[:1])
    page.wait_for_selector(".iad-goods figure")
    here = urlsplit(address).netloc
    others = {urlsplit(one).netloc for one in asked if urlsplit(one).scheme not in ("data", "blob")}
    assert others == {here}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_sticks_out_and_everything_can_be_read(server, opened, pictures, scheme):
    page = opened(server[0], viewport={"width": 390, "height": 844}, color_scheme=scheme)
    judged(page, pictures[:1])
    page.wait_for_selector(".iad-heat:visible")
    assert page.evaluate(OVERFLOW) == 0
    ground = shown_colour(page, ".iad-part")
    assert (sum(ground) < 200) is (scheme == "dark")
    for selector in (".iad-verdict", ".iad-name", ".iad-oddness", ".iad-say.good", ".iad-say.bad", ".iad-hint"):
        assert contrast(shown_colour(page, selector, "color"), ground) >= 4.5, selector


def test_how_the_line_stands_is_told_in_words(server, opened):
    page = opened(server[0])
    page.wait_for_selector(".iad-weather .iad-strong:not(:empty)")
    assert page.inner_text(".iad-weather .iad-strong") in (
        "As usual", "Keep an eye on it", "Parts have changed", "Too early to say",
    )  # fmt: skip


def test_a_key_is_asked_for_once(locked, opened, pictures):
    page = opened(locked, wait="#key")
    page.fill("#key", "a wrong one")
    page.click("text=Open")
    page.wait_for_selector("[role=alert]")
    page.fill("#key", KEY)
    page.click("text=Open")
    page.wait_for_selector(".iad-verdict")
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert "secret" not in cookie["value"]
    judged(page, pictures[:1])
    page.reload()
    page.wait_for_selector(".iad-verdict")
