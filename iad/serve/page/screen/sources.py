"""The card by which pictures come in: dropped or chosen, from a folder of the server, or from a camera."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nicegui import ui

from iad.serve.http.limits import RefusedError
from iad.serve.page.desk import AT_ONCE, Desk
from iad.words import counted

PAUSE_SECONDS = 0.5  # before a folder's pictures are handed in again where there was no room


class SourcesCard:
    """Takes pictures in.

    Args:
        desk: of the server.
        bundle: name of the one that judges.
    """

    def __init__(self, desk: Desk, bundle: str) -> None:
        self._desk, self._bundle, self._folders = desk, bundle, dict[str, Path]()
        self._ends = self._is_judging = False

    def build(self) -> None:
        """Draw the card. Dropping, choosing and the camera are of assets/page.js, which calls POST /v1/predict."""
        with ui.element("section").classes("iad-card iad-sources").props('aria-label="Pictures"'):
            with ui.element("label").classes("iad-drop").props("id=iad-drop tabindex=0") as self._drop:
                ui.element("input").props('type=file multiple accept="image/*" id=iad-files')
                ui.label("Drop pictures, or choose them").classes("iad-strong")
                ui.label("anywhere on this page").classes("iad-small")
            with ui.element("div").classes("iad-ways"):
                self._way("Camera", "iad-camera-on")
                if self._desk.shelf.is_filled:
                    self._way("Folder").on("click", self._open)
            with ui.element("div").classes("iad-camera").props("id=iad-camera hidden"):
                ui.element("video").props("id=iad-video autoplay playsinline muted")
                with ui.element("div").classes("iad-ways"):
                    self._way("Take and judge (Space)", "iad-shot")
                    self._way("Stop", "iad-camera-off")
            with ui.element("div").classes("iad-folder") as self._panel:
                self._folder = ui.select({}, label="Folder of this server").props("dense outlined options-dense")
                with ui.element("div").classes("iad-ways"):
                    self._way("Judge all").on("click", self._judge)
                    self._way("Stop").on("click", self._end)
            self._panel.set_visibility(False)
            self._told = ui.label().classes("iad-small").props("id=iad-told aria-live=polite")
        self.take(self._bundle)

    def take(self, bundle: str) -> None:
        """Have another bundle judge from now on."""
        self._bundle = bundle
        self._drop.props["data-bundle"] = bundle

    def tell(self, text: str) -> None:
        """Say how it goes on."""
        self._told.set_text(text)

    def _way(self, text: str, name: str = "") -> ui.element:
        """A button; one with a name is looked after by assets/page.js."""
        with ui.element("button").props(f"type=button {f'id={name}' if name else ''}").classes("iad-plain") as found:
            ui.label(text)
        return found

    async def _open(self) -> None:
        self._folders = await asyncio.to_thread(self._desk.shelf.folders)
        self._folder.set_options(list(self._folders), value=next(iter(self._folders), None))
        self._panel.set_visibility(not self._panel.visible)

    def _end(self) -> None:
        self._ends = True

    async def _judge(self) -> None:
        folder = self._folders.get(self._folder.value or "")
        if folder is None or self._is_judging:
            return
        self._is_judging = True
        try:
            await self._judge_all(folder)
        finally:
            self._is_judging = False

    async def _judge_all(self, folder: Path) -> None:
        paths = await asyncio.to_thread(self._desk.shelf.pictures, folder)
        self._ends, done = False, 0
        self.tell(f"{counted(len(paths), 'picture')} to judge")
        while done < len(paths) and not self._ends:
            pictures = await asyncio.to_thread(self._desk.read, paths[done : done + AT_ONCE])
            try:
                done += len(await self._desk.intake.judge(self._desk.station(self._bundle), pictures))
                self.tell(f"{done:,} of {counted(len(paths), 'picture')} judged")
            except RefusedError as refusal:
                self.tell(refusal.error)
                if refusal.status != 429:
                    return
                await asyncio.sleep(PAUSE_SECONDS)
