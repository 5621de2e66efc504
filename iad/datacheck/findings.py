"""What a data check found, in words for people and as a record for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
        '4 pictures are blank (a, b, c, ...): they teach nothing; delete them'
        """
        shown = [each if isinstance(each, str) else " = ".join(each) for each in self.pictures[:SHOWN]]
        shown += ["..."] if len(self.pictures) > SHOWN else []
        named = f" ({', '.join(shown)})" if shown else ""
        return f"{self.what}{named}: {self.effect}; {self.advice}"

    def record(self) -> dict[str, Any]:
        """Plain values; of many pictures the first hundred."""
        pictures = [each if isinstance(each, str) else list(each) for each in self.pictures[:RECORDED]]
        return {
            "check": self.check, "what": self.what, "count": len(self.pictures), "pictures": pictures,
            "effect": self.effect, "advice": self.advice,
        }  # fmt: skip


def counted(count: int, name: str) -> str:
    """A number and a noun.

    >>> counted(1, "picture"), counted(2, "picture")
    ('1 picture', '2 pictures')
    """
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def percent(share: float) -> str:
    """A share in percent, to one decimal where that says more.

    >>> percent(0.05), percent(1 / 41)
    ('5 %', '2.4 %')
    """
    return f"{round(100 * share, 1):g} %"
