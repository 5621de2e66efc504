"""Where pictures are handed in, whoever brings them: a program, or a person at the page."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence

from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.http.limits import RefusedError
from iad.serve.http.meter import Meter
from iad.serve.http.station import BusyError, SentPicture, Station

ANSWER_SECONDS = 60.0


class Intake:
    """Hands pictures to the bundle that is asked, and waits for its verdicts.

    Args:
        stations: the bundles by name.
        meter: counts what is judged and what is turned away.

    Attributes:
        stations: as given.
    """

    def __init__(self, stations: Mapping[str, Station], meter: Meter) -> None:
        self.stations, self._meter = stations, meter

    def station(self, name: str) -> Station:
        """A bundle by its name; the only one, if nothing is said.

        Raises:
            RefusedError: if there is none of that name, or there are several.
        """
        if name in self.stations:
            return self.stations[name]
        if not name and len(self.stations) == 1:
            return next(iter(self.stations.values()))
        what = f"no bundle '{name[:100]}'" if name else "several bundles"
        names = ", ".join(self.stations)
        raise RefusedError(404 if name else 400, f"{what}; name one of {names} (?bundle=NAME)")

    async def judge(self, station: Station, pictures: Sequence[SentPicture]) -> list[Entry]:
        """Verdicts on pictures, as the log has them.

        Raises:
            RefusedError: if there is no room in the queue, no verdict in time, or the log cannot be written.
        """
        try:
            futures = station.submit(pictures)
        except BusyError as busy:
            self._meter.turned_away.inc()
            wait = {"Retry-After": str(max(1, math.ceil(busy.seconds)))}
            raise RefusedError(429, "too many pictures are waiting; try again later", **wait) from None
        try:
            found = await asyncio.wait_for(asyncio.gather(*map(asyncio.wrap_future, futures)), ANSWER_SECONDS)
        except TimeoutError:
            text = f"no verdict within {ANSWER_SECONDS:g} seconds; it is in the log when it comes"
            raise RefusedError(504, text) from None
        except IadError as refusal:  # of the log
            raise RefusedError(503, str(refusal)) from None
        for entry in found:
            self._meter.count(station.name, entry)
        return list(found)
