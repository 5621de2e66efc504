"""Section `gate`: when `iad gate` calls a difference a regression."""

from __future__ import annotations

from iad.params.base import Section, Share


class Tolerated(Section):
    """Losses, as shares: of AUROC and AP (`ranking`); of F1, of misses and of false alarms (`verdicts`)."""

    ranking: Share
    verdicts: Share


class Gate(Section):
    """Tolerances between two revisions."""

    significance: Share
    tolerated: Tolerated
    limit: Tolerated
    common: Share
