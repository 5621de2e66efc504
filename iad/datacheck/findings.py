"""What a data check found, in words for people and as a record for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from iad.words import named

SHOWN = 3
RECORDED = 100


@dataclass(frozen=True)
class Finding:
    """One kind of fault in a data set.

    Attributes:
        check: name of the check.
        what: what was found, as a clause.
        pictures: the pictures concerned by their ids, or the groups of pictures that belong together; may be empty.
        effect: what it does to the results.
        advice: what to do.
    """

    check: str
    what: str
    pictures: Sequence[str | Sequence[str]]
    effect: str
    advice: str

    def line(self) -> str:
        """Everything in one line, with the first pictures.

        >>> Finding("blank", "4 pictures are blank", ["a", "b", "c", "d"], "they teach nothing", "delete them").line()
        '4 pictures are blank (a, b, c and 1 more): they teach nothing; delete them'
        """
        names = [each if isinstance(each, str) else " = ".join(each) for each in self.pictures]
        concerned = f" ({named(names, SHOWN)})" if names else ""
        return f"{self.what}{concerned}: {self.effect}; {self.advice}"

    def record(self) -> dict[str, Any]:
        """Plain values; of many pictures the first hundred.

        >>> found = Finding("copies", "2 pictures are the same", [("a", "b")], "they count twice", "drop").record()
        >>> found["count"], found["pictures"]
        (1, [['a', 'b']])
        """
        pictures = [each if isinstance(each, str) else list(each) for each in self.pictures[:RECORDED]]
        return {
            "check": self.check, "what": self.what, "count": len(self.pictures), "pictures": pictures,
            "effect": self.effect, "advice": self.advice,
        }  # fmt: skip
