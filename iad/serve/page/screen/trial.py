"""The card on which a threshold is tried: what it would have done to the last parts, to the promise and to the cost."""

from __future__ import annotations

import asyncio
import math

import numpy as np
from nicegui import ui

from iad.errors import IadError
from iad.serve.page.desk import Desk
from iad.serve.page.screen.drawing import histogram, scale_of
from iad.serve.page.trial import Trial, prices_of

MOST = 1000  # parts that are looked at
STEPS = 400
LARGE = 1e6  # from where on a threshold is written in powers of ten
NOTHING = "This only shows what would be: nothing on the line changes."
HONEST = (
    "A threshold that is chosen by looking at these numbers carries no promise any more: calibrate it with a new "
    "false-alarm rate instead."
)


class TrialCard:
    """Tries thresholds.

    Args:
        desk: of the server.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._name = desk, desk.bundles[0]

    def build(self) -> None:
        """Draw the card."""
        with ui.element("section").classes("iad-card iad-trial").props('aria-label="Try a threshold"'):
            ui.label("Try another threshold").classes("iad-title")
            ui.label(NOTHING).classes("iad-small")
            self._drawing = ui.html("", sanitize=False)
            with ui.element("div").classes("iad-legend iad-small"):
                for name, text in (
                    ("calibration", "good parts of the calibration, above"), ("recent", "last parts, below"),
                    ("now", "threshold at work"), ("then", "tried"),
                ):  # fmt: skip
                    ui.label(text).classes(f"iad-swatch {name}")
            with ui.element("div").classes("iad-tune"):
                self._slider = ui.slider(min=0, max=1, step=0.001, value=0, on_change=self._slid)
                self._slider.props('aria-label="Threshold that is tried"')
                self._number = ui.number("Threshold", value=0, format="%.4f", on_change=self._typed).props(
                    "dense outlined"
                )
            self._table = ui.element("div").classes("iad-effects")
            with ui.element("div").classes("iad-prices"):
                self._miss = self._price("A bad part that passes costs", 100.0)
                self._false_alarm = self._price("A good part that is rejected costs", 1.0)
                self._defects = self._price("Bad parts, in % of all", 1.0)
            self._cost = ui.label().classes("iad-small").props("data-test=cost")
            self._promise = ui.label().classes("iad-small")
            ui.label(HONEST).classes("iad-small")
            self._command = ui.label().classes("iad-command")
        self.take(self._name)

    def take(self, name: str) -> None:
        """Turn to a bundle: its threshold is where trying begins."""
        self._name = name
        inspector = self._desk.station(name).inspector
        low, high = scale_of(inspector.bundle.calibration.scores, inspector.threshold)
        self._slider.props["min"], self._slider.props["max"] = low, high + (high - low) / 2
        self._slider.props["step"] = (high - low) / STEPS
        self._slider.value = self._number.value = inspector.threshold

    async def reload(self) -> None:
        """Count anew, after more was judged or said."""
        value = self._number.value
        if value is None or not math.isfinite(value):
            return
        bundle = self._desk.station(self._name).inspector.bundle
        entries = await asyncio.to_thread(self._desk.of_bundle, self._name, MOST)
        scores = np.array([one.score for one in entries], dtype=float)
        self._drawing.set_content(histogram(bundle.calibration.scores, scores, bundle.threshold.value, value))
        self._promise.set_text(f"Promise of the threshold at work: {bundle.threshold.guarantee}.")
        if entries:
            self._show(self._desk.try_threshold(self._name, entries, value))
            return
        self._table.clear()
        with self._table:
            ui.label("No part was judged by this bundle yet.").classes("iad-small")

    def _price(self, label: str, value: float) -> ui.number:
        # without a least value, which would put 0 for a negative one and not say so
        return ui.number(label, value=value, on_change=self.reload).props("dense outlined debounce=300")

    async def _slid(self) -> None:
        self._number.value = self._slider.value

    async def _typed(self) -> None:
        if self._number.value is not None:
            self._slider.value = self._number.value
            await self.reload()

    def _show(self, found: Trial) -> None:
        now, then = found.now, found.then
        rows = [
            ("share and 95 % interval", "as it is", f"from {_written(found.threshold)} on"),
            ("Rejected, of the last parts that could be read", str(now.parts), str(then.parts)),
            ("False alarms, of the calibration's good parts", str(now.calibration), str(then.calibration)),
            ("Rejected, of parts that operators call good", str(now.good), str(then.good)),
            ("Rejected, of parts that operators call bad", str(now.bad), str(then.bad)),
        ]
        self._table.clear()
        with self._table:
            for row in rows:
                for cell in row:
                    ui.label(cell)
        self._tell_cost(found)
        self._command.set_text(self._how(found))

    def _tell_cost(self, found: Trial) -> None:
        try:
            prices = prices_of(self._miss.value, self._false_alarm.value, self._defects.value)
        except IadError as refusal:
            self._cost.set_text(str(refusal))
            return
        now, then = found.now.cost(prices), found.then.cost(prices)
        if now is None or then is None:
            self._cost.set_text(
                "The cost needs bad parts: press B on parts that are bad, so that misses can be counted."
            )
            return
        self._cost.set_text(f"Cost per 1,000 parts: {now:,.1f} as it is, {then:,.1f} then.")

    def _how(self, found: Trial) -> str:
        inspector, reached = self._desk.station(self._name).inspector, found.then.calibration
        if found.threshold == inspector.threshold:
            return "Move the threshold to see the command that would set it."
        if not 0 < reached.rejected < reached.total:
            return "No rate of false alarms sets this threshold: all calibration scores lie on one side of it."
        promote = f"iad promote new.iad {inspector.origin}"
        if inspector.bundle.origin.source == "iad.fit":
            fit = f'iad.fit(GOOD, "{inspector.method}", threshold={{"alpha": {found.alpha:g}}}).save("new.iad")'
            return f"To change it, in Python: {fit}, then\n{promote}"
        return (
            f"To change it: set threshold.alpha to {found.alpha:g} in params.yaml, then\n"
            f"dvc repro && iad bundle {inspector.method} --out new.iad && {promote}"
        )


def _written(threshold: float) -> str:
    return f"{threshold:.4f}" if abs(threshold) < LARGE else f"{threshold:.4g}"
