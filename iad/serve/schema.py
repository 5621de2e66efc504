"""Tables of a verdict log. Rows are appended; only `sent` is a note that changes."""

from __future__ import annotations

from collections.abc import Iterator

from iad.bundles.sight import TRAITS

TABLES = {
    "verdicts": """
        number INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, image_id TEXT NOT NULL, path TEXT NOT NULL,
        kept TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, sha256 TEXT NOT NULL,
        bundle TEXT NOT NULL, method TEXT NOT NULL, score REAL, p_value REAL, threshold REAL NOT NULL,
        rejected INTEGER, error TEXT NOT NULL, seconds REAL NOT NULL, known INTEGER NOT NULL""",
    "words": """
        number INTEGER PRIMARY KEY AUTOINCREMENT, verdict INTEGER NOT NULL REFERENCES verdicts (number),
        time TEXT NOT NULL, word TEXT NOT NULL CHECK (word IN ('good', 'bad')), speaker TEXT NOT NULL""",
    "sights": f"""
        verdict INTEGER PRIMARY KEY REFERENCES verdicts (number), {", ".join(f"{name} REAL" for name in TRAITS)}""",
    "tests": """
        number INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, bundle TEXT NOT NULL, after INTEGER NOT NULL,
        seed TEXT NOT NULL, alarm_rate REAL NOT NULL, defects REAL NOT NULL, reference TEXT NOT NULL,
        reason TEXT NOT NULL""",
    "alarms": """
        number INTEGER PRIMARY KEY AUTOINCREMENT, test INTEGER NOT NULL REFERENCES tests (number),
        kind TEXT NOT NULL, time TEXT NOT NULL, verdict INTEGER NOT NULL, since INTEGER NOT NULL, text TEXT NOT NULL,
        UNIQUE (test, kind)""",
    "snapshots": """
        number INTEGER PRIMARY KEY AUTOINCREMENT, test INTEGER NOT NULL REFERENCES tests (number),
        verdict INTEGER NOT NULL, state TEXT NOT NULL""",
    "shadows": """
        number INTEGER PRIMARY KEY AUTOINCREMENT, verdict INTEGER NOT NULL REFERENCES verdicts (number),
        bundle TEXT NOT NULL, score REAL NOT NULL, p_value REAL NOT NULL, threshold REAL NOT NULL,
        rejected INTEGER NOT NULL, UNIQUE (bundle, verdict)""",
    "sent": "target TEXT PRIMARY KEY, number INTEGER NOT NULL",
}  # fmt: skip
INDEXES = {
    "verdicts_by_file": "verdicts (path, modified, size)",
    "verdicts_by_place": "verdicts (kept, size) WHERE kept != ''",
    "words_by_verdict": "words (verdict)",
    "snapshots_by_test": "snapshots (test, verdict)",
}  # fmt: skip
FROM_TIME_TO_TIME = ("sent",)  # tables whose rows change


def statements() -> Iterator[str]:
    """SQL that makes whatever of it is not there yet: an older log gets the tables that came later."""
    for name, columns in TABLES.items():
        yield f"CREATE TABLE IF NOT EXISTS {name} ({' '.join(columns.split())})"
        for change in () if name in FROM_TIME_TO_TIME else ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER IF NOT EXISTS {name}_no_{change.lower()} BEFORE {change} ON {name} "
                "BEGIN SELECT RAISE(ABORT, 'rows of a verdict log stay as they are'); END"
            )
    for name, columns in INDEXES.items():
        yield f"CREATE INDEX IF NOT EXISTS {name} ON {columns}"
