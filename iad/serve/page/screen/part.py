"""The card of one part: its verdict in large words, its picture with the odd places, and good parts beside it."""

from __future__ import annotations

import asyncio
import io
import time
from urllib.parse import quote

import numpy as np
from nicegui import background_tasks, ui
from PIL import Image

from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.page.desk import Desk
from iad.serve.page.screen.drawing import bar, scale_of
from iad.serve.page.views import Good, Insight
from iad.serve.page.wording import clock, oddness

TITLES = {"passed": "PASSED", "rejected": "REJECTED", "unread": "NOT READ"}
SAID: dict[str, str] = {"good": "An operator says: good", "bad": "An operator says: bad"}
AWAY = "The picture of this part is not kept here; its verdict is."
LATER = "When no other part comes, it is shown where this one is odd; or choose it in the list."
QUIET_SECONDS = 2.0
START = "No part yet. Drop pictures here, or wait for the line."


class PartCard:
    """Shows a part, and asks what the operator says of it.

    Args:
        desk: of the server.

    Attributes:
        entry: the part that is shown.
        since: when it came to be shown, in seconds of the monotonic clock.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.entry: Entry | None = None
        self.since, self._looked_into = 0.0, 0

    def build(self) -> None:
        """Draw the card."""
        with ui.element("section").classes("iad-card iad-part").props('aria-label="Part"') as self._card:
            with ui.element("div").classes("iad-head").props("aria-live=polite"):
                self._title = ui.label("READY").classes("iad-verdict").props("data-test=verdict")
                self._word = ui.label().classes("iad-word")
            self._name = ui.label(START).classes("iad-name")
            self._bar = ui.html("", sanitize=False).classes("iad-bar")
            with ui.element("div").classes("iad-numbers"):
                self._score, self._threshold = (ui.label().props(f"data-test={it}") for it in ("score", "threshold"))
            self._oddness = ui.label().classes("iad-oddness")
            with ui.element("div").classes("iad-sight"):
                self._build_picture()
                self._nearest = ui.element("div").classes("iad-nearest")
            with ui.element("div").classes("iad-buttons") as self._buttons:
                for word in ("good", "bad"):  # pressed in assets/page.js, as their keys
                    with ui.element("button").classes(f"iad-say {word}").props(f"type=button data-key={word[0]}"):
                        ui.label(f"It is {word}")
                        ui.label(word[0].upper()).classes("iad-key")
            self._notes = ui.element("div").classes("iad-notes")
        self._buttons.set_visibility(False)
        self._clear()

    async def show(self, entry: Entry, *, in_passing: bool = False) -> None:
        """Show a part.

        Args:
            entry: its verdict.
            in_passing: whether the next one may come soon, so that nothing is computed while others wait.
        """
        again = self._shows(entry)
        self.entry = entry
        self._tell(entry)
        if again:
            if self._frame.visible and not in_passing and self._looked_into != entry.number:
                background_tasks.create(self._look_into(entry, in_passing=False))
            return
        self.since = time.monotonic()
        self._card.props["data-number"] = entry.number
        self._clear()
        self._place.set_visibility(True)
        self._buttons.set_visibility(entry.rejected is not None)
        self._looked_into = 0
        if not await self._show_picture(entry):
            return
        background_tasks.create(self._look_into(entry, in_passing=in_passing))  # the list goes on meanwhile

    async def _look_into(self, entry: Entry, *, in_passing: bool) -> None:
        if in_passing and not await self._is_quiet(entry):
            return
        if not self._shows(entry):
            return
        self._looked_into = entry.number
        self._hint.set_text("Looking where it is odd ...")
        insight = await self._insight(entry)
        if self._shows(entry):
            self._show_insight(entry, insight)

    def _shows(self, entry: Entry) -> bool:
        """Whether nobody has turned to another part meanwhile."""
        return self.entry is not None and self.entry.number == entry.number

    def fade(self) -> None:
        """Show the colours, or hide them."""
        self._opacity.value = 0 if self._opacity.value else 100

    def _build_picture(self) -> None:
        with ui.element("div").classes("iad-place") as self._place:
            with ui.element("div").classes("iad-picture") as self._frame:
                self._photo = ui.element("img").props('alt="The part"')
                self._heat = ui.element("img").classes("iad-heat").props('alt="Odd places, from blue to red"')
            with ui.element("div").classes("iad-slide") as self._slide:
                ui.label("Colours").classes("iad-small")
                self._opacity = ui.slider(min=0, max=100, value=100, on_change=self._fade)
                self._opacity.props('aria-label="How strong the colours are"')
            self._hint = ui.label().classes("iad-small iad-hint")
        self._place.set_visibility(False)

    def _fade(self) -> None:
        self._heat.style(f"opacity: {self._opacity.value / 100:.2f}")

    def _clear(self) -> None:
        self._frame.set_visibility(False)
        self._slide.set_visibility(False)
        self._heat.set_visibility(False)
        self._hint.set_text("")
        self._notes.clear()
        self._nearest.clear()

    def _tell(self, entry: Entry) -> None:
        self._title.set_text(TITLES[entry.verdict])
        self._title.classes(replace=f"iad-verdict {entry.verdict}")
        self._word.set_text(SAID.get(entry.word, ""))
        self._name.set_text(f"{entry.image_id} · {clock(entry.time)} · part {entry.number}")
        inspector = self._desk.views.inspector(entry)
        scores = inspector.bundle.calibration.scores if inspector else np.array([entry.threshold])
        if entry.score is None or entry.p_value is None:
            self._bar.set_content("")
            for label in (self._score, self._threshold):
                label.set_text("")
            self._oddness.set_text(entry.error)
            return
        ends = scale_of(scores, entry.score, entry.threshold)
        self._bar.set_content(bar(entry.score, entry.threshold, ends, rejected=bool(entry.rejected)))
        self._score.set_text(f"score {entry.score:.4f}")
        self._score.props["title"] = repr(entry.score)
        self._threshold.set_text(f"rejected from {entry.threshold:.4f} on")
        odd = oddness(entry.p_value, len(scores)) if inspector else "The bundle that judged it is no longer at work."
        known = " The bundle was made of this very picture, so this says nothing." if entry.known else ""
        self._oddness.set_text(f"{odd} (p = {entry.p_value:.4f}){known}")

    async def _show_picture(self, entry: Entry) -> bool:
        try:
            data = await asyncio.to_thread(self._desk.views.picture, entry.number)
        except IadError:
            self._hint.set_text(AWAY if not entry.error else "")
            return False
        width, height = Image.open(io.BytesIO(data)).size
        self._frame.style(
            f"aspect-ratio: {width} / {height}; width: min(100%, max(46vh, 300px) * {width / height:.4f})"
        )
        self._photo.props["src"] = f"/page/picture/{entry.number}?{_mark(entry)}"
        self._frame.set_visibility(True)
        return True

    async def _insight(self, entry: Entry) -> Insight:
        try:
            return await asyncio.to_thread(self._desk.views.insight, entry.number, lambda: self._shows(entry))
        except IadError as refusal:
            return Insight(notes=(str(refusal),))

    def _show_insight(self, entry: Entry, insight: Insight) -> None:
        self._hint.set_text("" if insight.heat else "This bundle cannot say where a part is odd.")
        if insight.heat:
            self._heat.props["src"] = f"/page/heat/{entry.number}?{_mark(entry)}"
        self._heat.set_visibility(bool(insight.heat))
        self._slide.set_visibility(bool(insight.heat))
        with self._notes:
            for note in insight.notes:
                ui.label(note).classes("iad-note")
        if insight.nearest:
            self._show_nearest(insight.nearest)

    def _show_nearest(self, goods: tuple[Good, ...]) -> None:
        with self._nearest:
            title = (
                "It is unlike these, the nearest good parts"
                if self.entry and self.entry.rejected
                else "Nearest good parts"
            )
            ui.label(title).classes("iad-small")
            with ui.element("div").classes("iad-goods"):
                for good in goods:
                    with ui.element("figure"):
                        if good.is_here:
                            address = f"/page/good/{good.sha256}/{quote(good.name)}"
                            ui.element("img").props('loading=lazy alt="A good part"').props["src"] = address
                        else:
                            ui.label("not in a folder of --pictures").classes("iad-absent")
                        with ui.element("figcaption"):
                            ui.label(good.name)

    async def _is_quiet(self, entry: Entry) -> bool:
        """Whether no other part came or waits for a while: maps take as long as verdicts, which come first."""
        self._hint.set_text(LATER)
        last, _ = await asyncio.to_thread(self._desk.stamp)
        await asyncio.sleep(QUIET_SECONDS)
        now, _ = await asyncio.to_thread(self._desk.stamp)
        waiting = any(one.waiting for one in self._desk.intake.stations.values())
        return self._shows(entry) and last == now and not waiting


def _mark(entry: Entry) -> str:
    """Tells views of one number apart that are of other logs, which browsers may hold."""
    return f"{entry.sha256[:12]}-{entry.bundle[:12]}"
