"""Verdicts of a log as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from iad.serve.entries import Entry

COLUMNS = ("verdict", *(field.name for field in fields(Entry)))


def rows_of(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """One row per verdict, with the columns `COLUMNS`."""
    return [one.record() for one in entries]
