"""The list of the last verdicts, whoever asked for them, with what is to be seen of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from nicegui import events, ui

from iad.serve.entries import Choice, Entry
from iad.serve.page.desk import Desk
from iad.serve.page.wording import clock

MOST = 100
ALL = "all"
VERDICTS = {ALL: "All", "rejected": "Rejected", "passed": "Passed", "unread": "Not read"}
TIMES = {0: "Any time", 1: "Last hour", 24: "Last day", 168: "Last week"}  # in hours
ROW = """
<tr :class="['iad-row', props.row.verdict, props.row.chosen ? 'chosen' : '']" :aria-selected="props.row.chosen"
    @click="$parent.$emit('pick', props.row.number)">
  <td class="iad-mark"><span>{{ props.row.mark }}</span></td>
  <td class="iad-what">
    <b>{{ props.row.title }}</b> <i v-if="props.row.word">operator: {{ props.row.word }}</i>
    <span class="iad-file">{{ props.row.name }}</span>
  </td>
  <td class="iad-score">{{ props.row.score }}<span class="iad-file">{{ props.row.time }}</span></td>
</tr>
"""
MARKS = {"passed": "✓", "rejected": "✕", "unread": "?"}
TITLES = {"passed": "passed", "rejected": "rejected", "unread": "not read"}


class RecentCard:
    """Lists verdicts, the newest first.

    Args:
        desk: of the server.
        pick: called with a part that somebody chose.

    Attributes:
        entries: those that are listed.
    """

    def __init__(self, desk: Desk, pick: Callable[[Entry], Awaitable[None]]) -> None:
        self._desk, self._pick, self._chosen = desk, pick, 0
        self.entries: list[Entry] = []

    def build(self) -> None:
        """Draw the card."""
        with ui.element("section").classes("iad-card iad-recent").props('aria-label="Last parts"'):
            with ui.element("div").classes("iad-line"):
                ui.label("Last parts").classes("iad-title")
                with (
                    ui.element("button")
                    .classes("iad-follow")
                    .props("type=button data-key=n aria-pressed=true") as self._follow
                ):
                    ui.label("Follow the line")
                    ui.label("N").classes("iad-key")
            with ui.element("div").classes("iad-filters"):
                self._verdict = ui.select(VERDICTS, value=ALL, label="Verdict", on_change=self.reload)
                self._since = ui.select(TIMES, value=0, label="When", on_change=self.reload)
                names = {"": "All", **{name: name for name in self._desk.bundles}}
                self._bundle = ui.select(names, value="", label="Bundle", on_change=self.reload)
                self._bundle.set_visibility(len(self._desk.bundles) > 1)
                self._name = ui.input("Name", on_change=self.reload).props("debounce=300 clearable")
            for field in (self._verdict, self._since, self._bundle, self._name):
                field.props("dense outlined options-dense")
            self._table = ui.table(rows=[], columns=[{"name": "it", "label": "", "field": "it"}], row_key="number")
            self._table.classes("iad-table").props('flat hide-header hide-bottom no-data-label="No part yet"')
            self._table.add_slot("body", ROW)
            self._table.on("pick", self._picked)
            self._none = ui.label("No such part yet.").classes("iad-small")

    async def reload(self) -> None:
        """Read the list anew."""
        self.entries = await asyncio.to_thread(self._desk.recent, self._choice(), MOST)
        self._draw()

    def choose(self, number: int) -> None:
        """Mark a part as the one that is shown."""
        self._chosen = number
        self._draw()

    def tell_following(self, *, is_on: bool) -> None:
        """Show whether the newest part is turned to whenever one comes."""
        self._follow.props["aria-pressed"] = str(is_on).lower()

    def beside(self, step: int) -> Entry | None:
        """The part so many rows below the one that is shown; None beyond the ends."""
        places = [row for row, one in enumerate(self.entries) if one.number == self._chosen]
        row = places[0] + step if places else 0
        return self.entries[row] if 0 <= row < len(self.entries) else None

    def _choice(self) -> Choice:
        hours = self._since.value
        since = datetime.now(UTC) - timedelta(hours=hours) if hours else None
        verdict = "" if self._verdict.value == ALL else self._verdict.value
        bundle = self._desk.station(self._bundle.value).sha256 if self._bundle.value else ""
        return Choice(since=since, verdict=verdict, bundle=bundle, name=self._name.value or "")

    def _draw(self) -> None:
        self._table.rows = [self._row(one) for one in self.entries]
        self._none.set_visibility(not self.entries)

    def _row(self, entry: Entry) -> dict[str, str | int | bool]:
        return {
            "number": entry.number, "verdict": entry.verdict, "mark": MARKS[entry.verdict],
            "title": TITLES[entry.verdict], "name": entry.image_id, "time": clock(entry.time),
            "score": "" if entry.score is None else f"{entry.score:.4f}", "word": entry.word,
            "chosen": entry.number == self._chosen,
        }  # fmt: skip

    async def _picked(self, event: events.GenericEventArguments) -> None:
        found = next((one for one in self.entries if one.number == event.args), None)
        if found is not None:
            await self._pick(found)
