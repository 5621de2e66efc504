"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from iad.errors import IadError
from iad.serve.drift.lookout import Lookout
from iad.serve.drift.report import Standing
from iad.serve.entries import Entry
from iad.serve.http.station import Station


class Meter:
    """What the server counts, in the text format of Prometheus.

    Args:
        stations: the bundles by name.
        lookout: tests of their parts; None: there are none.
    """

    def __init__(self, stations: Mapping[str, Station], lookout: Lookout | None = None) -> None:
        self._registry = CollectorRegistry()
        self.verdicts = Counter("iad_verdicts", "Verdicts", ["bundle", "verdict"], registry=self._registry)
        self.seconds = Histogram("iad_verdict_seconds", "From sent to judged", ["bundle"], registry=self._registry)
        self.turned_away = Counter("iad_turned_away", "Requests for which there was no room", registry=self._registry)
        waiting = Gauge("iad_waiting", "Pictures without a verdict yet", ["bundle"], registry=self._registry)
        for name, station in stations.items():
            waiting.labels(name).set_function(partial(_waiting, station))
        if lookout is not None:
            self._registry.register(DriftCollector(list(stations), lookout))

    def count(self, bundle: str, entry: Entry) -> None:
        """Count a verdict."""
        self.verdicts.labels(bundle, entry.verdict).inc()
        self.seconds.labels(bundle).observe(entry.seconds)

    def text(self) -> bytes:
        """All of it."""
        return bytes(generate_latest(self._registry))


class DriftCollector(Collector):
    """How the tests of parts stand, read when it is asked for.

    Args:
        names: of the bundles.
        lookout: their tests.
    """

    def __init__(self, names: list[str], lookout: Lookout) -> None:
        self._names, self._lookout = names, lookout

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family for each of `DRIFT`; none while the log cannot be read."""
        try:
            found = {name: self._lookout.standing(name) for name in self._names}
        except IadError:
            return
        for metric, (text, value) in DRIFT.items():
            family = GaugeMetricFamily(metric, text, labels=["bundle"])
            for name, one in found.items():
                family.add_metric([name], float(value(one)))
            yield family


DRIFT: dict[str, tuple[str, Callable[[Standing], float]]] = {
    "iad_drift_alarms": ("Kinds of alarms that stand: of scores, of pictures", lambda one: len(one.alarms)),
    "iad_drift_evidence_scores": ("log10 of the evidence that scores changed", lambda one: one.evidence["scores"]),
    "iad_drift_evidence_pictures": ("The same of pictures", lambda one: one.evidence["pictures"]),
    "iad_drift_evidence_needed": ("The same of an alarm", lambda one: one.needed),
    "iad_drift_parts": ("Parts that were tested", lambda one: one.parts),
    "iad_score_distance": ("Distance of the last scores from calibration, 0 to 1", lambda one: one.distance),
    "iad_overruled_rejects": ("Rejected parts that operators call good", lambda one: one.false_alarms.wrong),
    "iad_spoken_rejects": ("Rejected parts that operators spoke of", lambda one: one.false_alarms.spoken),
    "iad_overruled_passes": ("Passed parts that operators call bad", lambda one: one.escapes.wrong),
    "iad_spoken_passes": ("Passed parts that operators spoke of", lambda one: one.escapes.spoken),
}


def _waiting(station: Station) -> float:
    return float(station.waiting)
