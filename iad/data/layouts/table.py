"""A table of pictures, CSV or Parquet: path, label, split, mask and group, by the names that such columns usually have.

A column `label` holds words, such as good and bad, ok and NG. Numbers stand in a column whose name says what 1 means:
`defective` or `good`. A column `defect` holds kinds of defect, and nothing or "good" for good pictures; it may do
without a label. Where there is no split, it is drawn. Paths are relative to the table's folder, or to that of the
pictures.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from iad.data.layouts.common.base import Named, Reading, Tree, chosen, one_of
from iad.data.layouts.common.rows import Row, find_file, kind_of, read_rows, split_of
from iad.data.manifest import GOOD
from iad.errors import IadError

TITLE = "a table of pictures"
SPECIAL_OF: tuple[str, ...] = ()
USES = ("product", "table", "group_column")

SUFFIXES = (".csv", ".tsv", ".parquet")
COLUMNS = {
    "path": "path image image_path img img_path file filename file_name filepath file_path picture image_id",
    "label": "label verdict result class status judgement",
    "bad": "bad defective is_defective anomalous is_anomalous anomaly is_anomaly abnormal faulty nok ng gt_label",
    "good": "good is_good ok is_ok normal is_normal passed",
    "kind": "defect kind defect_type anomaly_type defect_class",
    "split": "split subset set partition",
    "mask": "mask mask_path ground_truth gt gt_path",
    "group": "group serial serial_number part part_id batch lot series specimen sample sample_id",
    "product": "product object",
}
"""What a column holds, by the names that it may have."""

VERDICTS = ("label", "bad", "good")
YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no", "")
SEPARATORS = ",;\t"


def recognises(tree: Tree, named: Named) -> bool:
    """Whether a table at the top, or the one that is named, has a column of paths and one that tells the class.

    >>> csv = Tree("data/x", {"1.png": bytes}, {"labels.csv": lambda: b"image;label"})
    >>> recognises(csv, Named()), recognises(Tree("data/x", {}, {"sizes.csv": lambda: b"path,width"}), Named())
    (True, False)
    """
    names = [named.table] if named.table else [name for name in tables(tree) if "/" not in name]
    return any(name.lower().endswith(SUFFIXES) and _is_list(tree, name) for name in names if name in tree.others)


def tables(tree: Tree) -> list[str]:
    """All tables of a folder, by name."""
    return [name for name in tree.others if name.lower().endswith(SUFFIXES)]


def read(tree: Tree, named: Named) -> Reading:
    """Read the pictures that the table lists.

    Raises:
        IadError: naming the row and what is wrong with it, or the columns that were looked for.
    """
    name = named.table or one_of(
        tree, "tables", [one for one in tables(tree) if _is_list(tree, one)] or tables(tree), "table"
    )
    columns, rows = read_table_text(tree, name)
    found = find_columns(tree, name, columns, named)
    if product := found.get("product"):
        known = {row[product] for _, row in rows}
        wanted = chosen(tree, f"products in {name}", known, named.product, "product") if known else None
        rows = [(where, row) for where, row in rows if row[product] == wanted]
    beside = PurePosixPath(name).parent.as_posix().removeprefix(".")
    listed = [_row(tree, where, row, found, beside) for where, row in rows]
    return read_rows(tree, listed, [name], unlisted="product" not in found)


def read_table_text(tree: Tree, name: str) -> tuple[list[str], list[tuple[str, dict[str, str]]]]:
    """Columns of a table, and its rows as text, each with what a refusal calls it.

    Raises:
        IadError: if it cannot be read, or a row has more values than there are columns.
    """
    if name not in tree.others:
        raise IadError(f"{tree.place}/{name}: there is no such table; correct data.folder.table")
    if name.lower().endswith(".parquet"):
        return _parquet(tree, name)
    lines = csv.reader(io.StringIO(tree.text(name)), delimiter=_separator(tree, name), strict=True)
    try:
        header, *rest = [(lines.line_num, line) for line in lines if any(line)] or [(1, [])]
    except csv.Error as error:
        raise IadError(f"{tree.place}/{name}: line {lines.line_num}: no readable row ({error}); correct it") from None
    columns = [cell.strip() for cell in header[1]]
    rows = []
    for number, line in rest:
        if len(line) != len(columns):
            raise IadError(
                f"{tree.place}/{name}, line {number}: {len(line)} values for {len(columns)} columns; correct the row"
            )
        rows.append((f"{name}, line {number}", dict(zip(columns, (cell.strip() for cell in line), strict=True))))
    return columns, rows


def find_columns(tree: Tree, name: str, columns: Sequence[str], named: Named) -> dict[str, str]:
    """The column of a table for each of the keys of `COLUMNS` that it has.

    Raises:
        IadError: if paths or classes are missing, naming what was looked for, or two columns may be the same.
    """
    found = {role: one for role in COLUMNS if (one := _column(tree, name, columns, role, named))}
    verdicts = [found[role] for role in VERDICTS if role in found]
    if len(verdicts) > 1:
        raise IadError(
            f"{tree.place}/{name}: columns '{verdicts[0]}' and '{verdicts[1]}' both tell the class; rename one"
        )
    if "path" not in found:
        raise IadError(f"{tree.place}/{name}: no column of paths; looked for {_looked_for('path')}")
    if not verdicts and "kind" not in found:
        wanted = _looked_for("label", "bad", "good", "kind")
        raise IadError(f"{tree.place}/{name}: no column that tells good from defective; looked for {wanted}")
    return found


def _column(tree: Tree, name: str, columns: Sequence[str], role: str, named: Named) -> str | None:
    if role == "group" and named.group_column:
        if named.group_column not in columns:
            raise IadError(
                f"{tree.place}/{name}: no column '{named.group_column}' (data.folder.groups); it has "
                f"{', '.join(columns)}"
            )
        return named.group_column
    known = COLUMNS[role].split()
    found = [column for column in columns if _folded(column) in known]
    if len(found) > 1:
        hint = ", or name it with data.folder.groups=column:NAME" if role == "group" else ""
        raise IadError(
            f"{tree.place}/{name}: columns '{found[0]}' and '{found[1]}' may both be the {role}; rename one{hint}"
        )
    return found[0] if found else None


def _row(tree: Tree, where: str, row: Mapping[str, str], found: Mapping[str, str], beside: str) -> Row:
    cells = {role: row[column] for role, column in found.items()}
    line = f"{tree.place}/{where}"
    label = cells.get("label", "")
    if flag := next((role for role in ("bad", "good") if role in found), None):
        label = _flag(line, found[flag], cells[flag], flag)
    elif "label" in found:
        _refuse_number(line, found["label"], label)
    kind = kind_of(line, label, cells.get("kind", ""))
    mask = cells.get("mask", "")
    return Row(
        where=where,
        image_id=find_file(tree, line, cells["path"], beside),
        kind=kind,
        split=split_of(line, cells.get("split", "")),
        mask=find_file(tree, line, mask, beside, what="mask") if mask and kind != GOOD else None,
        group=cells.get("group", ""),
    )


def _flag(where: str, column: str, value: str, meaning: str) -> str:
    if value.lower() not in (*YES, *NO):
        raise IadError(f"{where}: {column} = '{value}' is neither 0 nor 1; correct it")
    other = "good" if meaning == "bad" else "bad"
    return meaning if value.lower() in YES else other


def _refuse_number(where: str, column: str, label: str) -> None:
    if not label:
        raise IadError(f"{where}: {column} is empty; write good or bad")
    if label.replace(".", "", 1).isdigit():
        raise IadError(
            f"{where}: {column} = {label} may mean good or defective; call the column 'defective' where 1 is "
            "defective, or 'good' where 1 is good"
        )


def _is_list(tree: Tree, name: str) -> bool:
    """Whether the header has what a list of pictures needs; one that cannot be read has not."""
    try:
        columns = {_folded(column) for column in read_table_text(tree, name)[0]}
    except IadError:
        return False
    tells = {known for role in (*VERDICTS, "kind") for known in COLUMNS[role].split()}
    return bool(columns & set(COLUMNS["path"].split())) and bool(columns & tells)


def _separator(tree: Tree, name: str) -> str:
    header = tree.text(name).partition("\n")[0]
    return max(SEPARATORS, key=header.count)


def _parquet(tree: Tree, name: str) -> tuple[list[str], list[tuple[str, dict[str, str]]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(io.BytesIO(tree.others[name]())).read()
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(error).split())
        raise IadError(f"{tree.place}/{name}: cut short or not Parquet ({reason}); copy it again") from None
    rows = table.to_pylist()
    columns = [str(column) for column in table.column_names]
    return columns, [(f"{name}, row {number}", _as_text(row)) for number, row in enumerate(rows)]


def _as_text(row: Mapping[str, object]) -> dict[str, str]:
    return {str(column): "" if value is None else str(value).strip() for column, value in row.items()}


def _looked_for(*roles: str) -> str:
    return ", ".join(name for role in roles for name in COLUMNS[role].split())


def _folded(column: str) -> str:
    return column.strip().lower().replace(" ", "_").replace("-", "_")
