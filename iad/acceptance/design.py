"""Which picture shows which part, by whom, and what the part is: a table or folders, checked before any work."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iad.acceptance.gauge import require_design
from iad.data.pictures import PictureFile, find
from iad.data.tree import read_bytes
from iad.errors import IadError
from iad.words import printable

OPERATORS = ("operator", "camera", "station")  # columns that say who or what took a picture
COLUMNS = ("path", "part", *OPERATORS, "reference")
REFERENCE = {"good": False, "bad": True}


@dataclass(frozen=True)
class Take:
    """One picture of one part.

    Attributes:
        file: the picture.
        part: which part it shows.
        operator: who or what took it; empty where that is not told.
        bad: whether the part is defective; None where that is not known.
        where: for refusals, where this is said.
    """

    file: PictureFile
    part: str
    operator: str = ""
    bad: bool | None = None
    where: str = ""


@dataclass(frozen=True)
class Design:
    """The pictures of a study.

    Attributes:
        takes: in the order in which they were given.
        factor: what the operators are: operator, camera or station; empty in a one-way design.
        fingerprint: SHA-256 over parts, operators, references and the bytes of all pictures.
    """

    takes: tuple[Take, ...]
    factor: str
    fingerprint: str

    @property
    def parts(self) -> list[str]:
        """The part of each picture."""
        return [one.part for one in self.takes]

    @property
    def operators(self) -> list[str] | None:
        """The operator of each picture; None in a one-way design."""
        return [one.operator for one in self.takes] if self.factor else None

    @property
    def reference(self) -> np.ndarray | None:
        """Whether the part of each picture is defective, bool `(N,)`; None where that is not known."""
        found = [one.bad for one in self.takes if one.bad is not None]
        return np.array(found, dtype=bool) if found else None


def read_design(place: Path) -> Design:
    """Read a design from a CSV file, or from a folder with a folder per part.

    A table has the columns `path` (from the table's folder on) and `part`, and may have one of `operator`, `camera`,
    `station`, and `reference` (good or bad). Folders are `PART/picture`, or `good/PART/picture` and `bad/PART/picture`.

    Raises:
        IadError: naming the line or the picture, if a column is missing or unknown, a picture is named twice or is a
            copy of another, a reference contradicts itself or is known of some parts only, or the design shows nothing.
    """
    takes, factor = _from_folder(place) if place.is_dir() else _from_table(place)
    _require_one_reference(takes)
    try:
        require_design([one.part for one in takes], [one.operator for one in takes] if factor else None)
    except IadError as refusal:
        raise IadError(f"{place}: {refusal}") from None
    return Design(tuple(takes), factor, _fingerprint(takes))


def _from_folder(place: Path) -> tuple[list[Take], str]:
    files = find(place)
    names = [file.name.split("/") for file in files]
    told = {len(name) for name in names} == {3} and {name[0] for name in names} <= REFERENCE.keys()
    takes = []
    for file, name in zip(files, names, strict=True):
        if len(name) != 3 if told else len(name) != 2:
            raise IadError(
                f"{file.path}: a folder of parts holds PART/picture, or good/PART/picture and bad/PART/picture; "
                "move it, or give a table"
            )
        takes.append(Take(file, name[-2], "", REFERENCE[name[0]] if told else None, str(file.path)))
    return takes, ""


def _from_table(place: Path) -> tuple[list[Take], str]:
    rows, factor = _rows(place)
    takes, seen = [], dict[Path, int]()
    for number, row in rows:
        where = f"{place}, line {number}"
        values = {name: (row.get(name) or "").strip() for name in COLUMNS}
        wanted = ["path", "part", *([factor] if factor else [])]
        if empty := next((name for name in wanted if not values[name]), None):
            raise IadError(f"{where}: no {empty}; fill it in")
        path = place.parent / values["path"]
        if not path.is_file():
            raise IadError(f"{where}: {path}: no such picture; paths count from the table's folder")
        if (other := seen.setdefault(path.resolve(), number)) != number:
            raise IadError(f"{where}: {values['path']} stands in line {other} already; a repetition is a new picture")
        bad = _reference(values["reference"], where)
        takes.append(
            Take(PictureFile(path, values["path"]), values["part"], values[factor] if factor else "", bad, where)
        )
    return takes, factor


def _rows(place: Path) -> tuple[list[tuple[int, dict[str, str | None]]], str]:
    """Lines of a table by number, and which column is the operator's."""
    if not place.is_file():
        raise IadError(f"{place}: no such table or folder; give a CSV file, or a folder with a folder per part")
    try:
        text = read_bytes(place).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise IadError(f"{place}: not a CSV file in UTF-8; save it as one") from None
    delimiter = ";" if ";" in text.partition("\n")[0] else ","  # as spreadsheets write it in half of Europe
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        reader.fieldnames = header = [name.strip() for name in reader.fieldnames or ()]
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise IadError(f"{place}, line {reader.line_num}: not CSV ({error}); save it as CSV in UTF-8") from None
    factor = _factor(header, place)
    if not rows:
        raise IadError(f"{place}: no line below the first; give a line per picture")
    if odd := next((number for number, row in rows if None in row or None in row.values()), None):
        raise IadError(f"{place}, line {odd}: not as many values as there are columns; mend the line")
    return rows, factor


def _factor(header: Sequence[str], place: Path) -> str:
    """The operator's column; empty where there is none."""
    if missing := [name for name in ("path", "part") if name not in header]:
        raise IadError(f"{place}: no column '{missing[0]}'; the first line names the columns: {', '.join(COLUMNS)}")
    if strange := [name for name in header if name not in COLUMNS]:
        raise IadError(f"{place}: an unknown column '{printable(strange[0])}'; there are {', '.join(COLUMNS)}")
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise IadError(f"{place}: two columns '{twice}'; leave one out")
    factors = [name for name in OPERATORS if name in header]
    if len(factors) > 1:
        raise IadError(
            f"{place}: columns '{factors[0]}' and '{factors[1]}'; a study compares one of them, leave one out"
        )
    return factors[0] if factors else ""


def _reference(word: str, where: str) -> bool | None:
    if not word:
        return None
    if word.lower() not in REFERENCE:
        raise IadError(f"{where}: reference '{printable(word)}'; say good or bad (0 and 1 are used both ways)")
    return REFERENCE[word.lower()]


def _require_one_reference(takes: Sequence[Take]) -> None:
    first: dict[str, Take] = {}
    words = {bad: word for word, bad in REFERENCE.items()}
    for one in takes:
        other = first.setdefault(one.part, one)
        if None not in (one.bad, other.bad) and one.bad != other.bad:
            said = [f"{words[bool(it.bad)]} in {it.where}" for it in (other, one)]
            raise IadError(f"part {one.part} is {said[0]} and {said[1]}: a reference says one thing of a part; mend it")
    unknown = next((one for one in takes if one.bad is None), None)
    if unknown and any(one.bad is not None for one in takes):
        raise IadError(f"{unknown.where}: no reference, which others have; say good or bad of all pictures, or of none")


def _fingerprint(takes: Sequence[Take]) -> str:
    """Over everything that the study sees; a file that is there twice is no repetition."""
    seen: dict[str, Take] = {}
    digest = hashlib.sha256()
    for one in takes:
        content = one.file.sha256
        if (other := seen.setdefault(content, one)) is not one:
            raise IadError(
                f"{one.where}: {one.file.path} is a copy of {other.file.path}; a repetition is the part taken anew"
            )
        digest.update(f"{one.part}\0{one.operator}\0{one.bad}\0{content}\n".encode("utf-8", "replace"))
    return digest.hexdigest()
