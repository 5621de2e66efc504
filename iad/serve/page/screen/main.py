"""The page: one line on how the line stands, four cards, and the keys."""

from __future__ import annotations

import asyncio
import time

from nicegui import events, ui

from iad.errors import IadError
from iad.serve.entries import Entry, Word
from iad.serve.page.desk import Desk
from iad.serve.page.screen.part import PartCard
from iad.serve.page.screen.recent import RecentCard
from iad.serve.page.screen.sources import SourcesCard
from iad.serve.page.screen.trial import TrialCard

EVERY_SECONDS = 1.0
LARGEST = 2**63 - 1  # number that SQLite holds
GLANCE_SECONDS = 0.7  # nobody judges a part that has been on the screen for less
WEATHER_TICKS = 5  # how often it is asked for, beside when something was judged
SYMBOLS = {"calm": "●", "watch": "▲", "alarm": "■", "unknown": "○"}
KEYS = {
    "G": "say that the part is good", "B": "say that the part is bad", "J or ↓": "the part below",
    "K or ↑": "the part above", "N": "the newest part, and follow the line", "H": "show or hide the colours",
    "Space": "take and judge, while the camera is on", "?": "show these keys",
}  # fmt: skip
HEAD = '<link rel="stylesheet" href="/page/assets/page.css"><script defer src="/page/assets/page.js"></script>'


class Screen:
    """The page as one person sees it.

    Args:
        desk: of the server.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._bundle = desk, desk.bundles[0]
        self._stamp, self._follows, self._ticks, self._speaker = (-1, -1), True, 0, ""
        self._batch, self._left_alone = 0, -1  # pictures sent together; those that no longer turn the page
        self._part = PartCard(desk)
        self._recent = RecentCard(desk, self._pick)
        self._trial, self._sources = TrialCard(desk), SourcesCard(desk, self._bundle)

    def build(self) -> None:
        """Draw it, and begin to look after it."""
        ui.add_head_html(HEAD)
        ui.colors(primary="#2b6ca3")
        self._dark = ui.dark_mode(None)
        self._build_top()
        with ui.element("main").classes("iad-grid"):
            self._part.build()
            with ui.element("div").classes("iad-side"):
                self._sources.build()
                self._recent.build()
            self._trial.build()
        self._build_help()
        ui.on("iad_key", self._key)
        ui.on("iad_judged", self._came)
        ui.on("iad_told", lambda event: self._sources.tell(str(event.args)[:300]))
        ui.on("iad_speaker", lambda event: self._name.set_value(str(event.args)[:60]))
        ui.timer(EVERY_SECONDS, self._tick)

    def _build_top(self) -> None:
        with ui.element("header").classes("iad-top"):
            ui.label("Inspection").classes("iad-brand")
            if len(self._desk.bundles) > 1:
                picked = ui.select(self._desk.bundles, value=self._bundle, label="Bundle", on_change=self._take)
                picked.props("dense outlined options-dense").classes("iad-bundle")
            else:
                ui.label(self._bundle).classes("iad-small")
            self._name = ui.input("Your name", on_change=self._named).props("dense outlined maxlength=60")
            self._name.classes("iad-speaker")
            with ui.element("div").classes("iad-tools"):
                for icon, text, act in (
                    ("contrast", "Light or dark", self._turn), ("keyboard", "Keys", lambda: self._help.open()),
                ):  # fmt: skip
                    ui.button(icon=icon, on_click=act).props(f'flat round dense aria-label="{text}"').tooltip(text)
        with ui.element("div").classes("iad-weather unknown").props("role=status data-test=weather") as self._line:
            self._symbol, self._sky, self._why = (ui.label() for _ in range(3))
            self._sky.classes("iad-strong")
            self._why.set_text("Looking how the parts are ...")

    def _build_help(self) -> None:
        with ui.dialog() as self._help, ui.element("div").classes("iad-card iad-help"):
            ui.label("Keys").classes("iad-title")
            for key, text in KEYS.items():
                with ui.element("div").classes("iad-help-row"):
                    ui.label(key).classes("iad-key")
                    ui.label(text)

    async def _tick(self) -> None:
        try:
            stamp = await asyncio.to_thread(self._desk.stamp)
            self._ticks += 1
            if stamp != self._stamp or self._ticks % WEATHER_TICKS == 0:
                await self._tell_weather()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            await self._recent.reload()
            await self._trial.reload()
            if self._follows and self._recent.entries:
                await self._show(self._recent.entries[0], in_passing=True)
        except IadError as refusal:  # of the log: told once a second until it is mended
            self._sources.tell(str(refusal))

    async def _tell_weather(self) -> None:
        found = await asyncio.to_thread(self._desk.weather, self._bundle)
        self._line.classes(replace=f"iad-weather {found.level}")
        for label, text in ((self._symbol, SYMBOLS[found.level]), (self._sky, found.title), (self._why, found.text)):
            label.set_text(text)

    async def _show(self, entry: Entry, *, in_passing: bool = False) -> None:
        self._recent.choose(entry.number)
        await self._part.show(entry, in_passing=in_passing)

    async def _pick(self, entry: Entry) -> None:
        self._follow(is_on=False)
        self._left_alone = self._batch
        await self._show(entry)

    async def _came(self, event: events.GenericEventArguments) -> None:
        """Show a part that was sent from this page, unless somebody has turned to another one since."""
        try:
            number, left, self._batch = (int(event.args[name]) for name in ("number", "left", "batch"))
            entry = await asyncio.to_thread(self._desk.views.entry, min(number, LARGEST))
        except (IadError, KeyError, TypeError, ValueError):
            return
        if self._batch == self._left_alone:
            return
        self._follow(is_on=False)
        await self._show(entry, in_passing=left > 0)

    async def _say(self, word: Word, number: int) -> None:
        """Write what the operator says of the part that was to be seen when the key went down."""
        if self._follows and (number != self._shown or time.monotonic() - self._part.since < GLANCE_SECONDS):
            self._follow(is_on=False)
            ui.notify("The part has just changed: look, then press again.", type="warning")
            return
        self._follow(is_on=False)
        self._left_alone = self._batch
        try:
            await asyncio.to_thread(self._desk.log.say, number, word, speaker=self._speaker)
            entry = await asyncio.to_thread(self._desk.views.entry, number)
        except IadError as refusal:
            self._sources.tell(str(refusal))
            return
        await self._show(entry)
        overruled = entry.rejected is (word == "good")
        ui.notify(f"Part {number}: you say {word}{', which overrules the verdict' if overruled else ''}", timeout=2500)

    @property
    def _shown(self) -> int:
        return self._part.entry.number if self._part.entry else 0

    def _follow(self, *, is_on: bool) -> None:
        """Turn to the newest part whenever one comes, or stay with the one that is shown."""
        self._follows = is_on
        self._recent.tell_following(is_on=is_on)

    async def _key(self, event: events.GenericEventArguments) -> None:
        """A key, or the button that stands for it, and the part that was shown."""
        given = event.args if isinstance(event.args, dict) else {}  # whatever a browser may say
        key, number = str(given.get("key", "")).lower(), str(given.get("number", ""))
        if key in ("g", "b") and number.isdecimal():
            await self._say("good" if key == "g" else "bad", min(int(number[:19]), LARGEST))
        elif key in ("j", "arrowdown", "k", "arrowup"):
            beside = self._recent.beside(1 if key in ("j", "arrowdown") else -1)
            if beside is not None:
                await self._pick(beside)
        elif key == "n":
            self._follow(is_on=True)
            self._stamp = (-1, -1)
        elif key == "h":
            self._part.fade()
        elif key == "?":
            self._help.open()

    async def _take(self, event: events.ValueChangeEventArguments[str]) -> None:
        self._bundle = event.value
        self._sources.take(self._bundle)
        self._trial.take(self._bundle)
        await self._trial.reload()
        await self._tell_weather()

    def _named(self) -> None:
        self._speaker = (self._name.value or "").strip()
        ui.run_javascript("iad.remember(document.querySelector('.iad-speaker input').value)")

    def _turn(self) -> None:
        """From what the computer prefers to light, to dark, and back."""
        self._dark.value = {None: True, True: False, False: None}[self._dark.value]
