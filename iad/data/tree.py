"""The pictures below a folder, by relative path.

A link to a file is read in a data set, wherever it leads: DVC sees a change of that file too, and `dvc add` puts a copy
in its place. A link to a folder is not: DVC does not look behind it.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

from iad.data.formats import FORMAT_OF_SUFFIX, FORMATS, UNREAD_SUFFIXES
from iad.errors import IadError
from iad.progress import say
from iad.words import counted

File = TypeVar("File")
CLUTTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def find_pictures(folder: Path) -> dict[str, Path]:
    """Find the pictures of a data set: every file with the suffix of a readable picture, in the folder and below.

    Hidden files and folders and the leftovers of file managers are passed over; other files too, with a line that says
    how many.

    Returns:
        The file by its id, as `list_files` gives it. Sorted by id.

    Raises:
        IadError: for a picture in a format that is not read, two files with one id, a name that is not Unicode, and a
            link to a folder or to nothing.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     for file in ("b.png", "a.JPG", ".hidden.png"):
    ...         (Path(name) / file).touch()
    ...     list(find_pictures(Path(name)))
    ['a.JPG', 'b.png']
    """
    return pictures_among(list_files(folder), folder)


def pictures_among(files: Iterable[tuple[str, File]], folder: object) -> dict[str, File]:
    """The pictures among the files of a data set, by id; others are passed over, with a line that says how many.

    Args:
        files: Id of each file, and the file: anything that `str` turns into where it lies.
        folder: What the line and a refusal call the data set.

    Returns:
        The file by its id. Sorted by id.

    Raises:
        IadError: for a picture in a format that is not read, and two files with one id.

    >>> list(pictures_among([("b.png", "s3://line/b.png"), ("a.png", "s3://line/a.png")], "s3://line"))
    ['a.png', 'b.png']
    """
    found, others = tell_apart(files, folder)
    if others:
        strange = counted(len(others), "file that is not a picture", "files that are not pictures")
        say(f"{folder}: {strange} passed over, such as {next(iter(others))}")
    return found


def tell_apart(files: Iterable[tuple[str, File]], folder: object) -> tuple[dict[str, File], dict[str, File]]:
    """The pictures among the files of a data set, sorted by id, and the other files, as they come.

    Args:
        files: As in `pictures_among`.
        folder: As in `pictures_among`.

    Raises:
        IadError: as `pictures_among`.

    >>> tell_apart([("b.png", 1), ("labels.csv", 2), ("a.png", 3)], "data/x")
    ({'a.png': 3, 'b.png': 1}, {'labels.csv': 2})
    """
    found: dict[str, File] = {}
    others: dict[str, File] = {}
    for image_id, file in files:
        suffix = PurePosixPath(image_id).suffix.lower()
        if suffix in UNREAD_SUFFIXES:
            raise IadError(
                f"{folder}/{image_id}: pictures of kind '{suffix}' are not read; save it as one of "
                f"{', '.join(FORMATS)} or delete it"
            )
        if suffix not in FORMAT_OF_SUFFIX:
            others[image_id] = file
        elif image_id in found:
            raise IadError(
                f"{folder}: two files have the id '{image_id}' (their names differ only in how Unicode writes "
                "an accent); rename one of them"
            )
        else:
            found[image_id] = file
    return dict(sorted(found.items())), others


def list_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Id and path of every file in the folder and below, but for hidden ones and the leftovers of file managers.

    The id is the path relative to `folder`, posix, in Unicode's NFC form (macOS may store another one), so that the
    same files have the same ids everywhere.

    Raises:
        IadError: for a name that is not Unicode, a link to a folder or to nothing, and a pipe or the like that is named
            as a picture.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     (Path(name) / "camera 1").mkdir()
        ...     (Path(name) / "camera 1/b.png").touch()
        ...     (Path(name) / ".hidden.png").touch()
        ...     [image_id for image_id, _ in list_files(Path(name))]
        ['camera 1/b.png']
    """
    for image_id, path, problem in look_through(folder, outside=True):
        if problem:
            raise IadError(problem)
        yield image_id, path


def look_through(folder: Path, *, outside: bool = False) -> Iterator[tuple[str, Path, str]]:
    """As `list_files`, with the refusal of each entry that cannot be one of its files, or nothing; none is raised.

    A link to a file outside of the folder is refused unless `outside` is true: whoever may put pictures into a folder
    that is watched may not have others read. An entry whose name is not Unicode has one with escapes in place of the
    odd bytes, in its id and in its path.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     (Path(name) / "a.png").symlink_to("gone.png")
    ...     [(image_id, bool(problem)) for image_id, _, problem in look_through(Path(name))]
    [('a.png', True)]
    """
    for path, problem in _walk(folder, None if outside else folder.resolve()):
        try:
            yield image_id_of(path, folder), path, problem
        except IadError as refusal:
            shown = Path(os.fsencode(path).decode(errors="backslashreplace"))
            yield image_id_of(shown, folder), shown, str(refusal)


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a leftover of a file manager.

    >>> is_passed_over(".git"), is_passed_over("Thumbs.db"), is_passed_over("good")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in CLUTTER


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises:
        IadError: if it has vanished or may not be read.

    >>> read_bytes(Path("no such picture.png"))
    Traceback (most recent call last):
    iad.errors.IadError: no such picture.png: cannot be read (...); check that it is there and its permissions
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise IadError(
            f"{path}: cannot be read ({error.strerror}); check that it is there and its permissions"
        ) from None


def _walk(folder: Path, base: Path | None) -> Iterator[tuple[Path, str]]:
    """Every file, and what is wrong with it."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if is_passed_over(entry.name):
            continue
        path = folder / entry.name
        problem = _wrong_link(path, base) if entry.is_symlink() else ""
        if not problem and entry.is_dir():
            yield from _walk(path, base)
        else:
            yield path, problem or _irregular(entry, path)


def _irregular(entry: os.DirEntry[str], path: Path) -> str:
    # a pipe would be waited for without end
    if entry.is_file() or path.suffix.lower() not in FORMAT_OF_SUFFIX:
        return ""
    return f"{path}: not a regular file but a pipe, a socket or a device; delete it, or put a picture in its place"


def _wrong_link(path: Path, base: Path | None) -> str:
    target = Path(os.path.realpath(path))  # Path.resolve fails on a link to itself
    if base is not None and not target.is_relative_to(base):
        return f"{path}: a link that leaves the folder (to {target}); put a copy in its place"
    if not target.is_file():
        return f"{path}: a link to a folder or to nothing ({target}); put a copy in its place"
    return ""


def image_id_of(path: Path, folder: Path) -> str:
    """The id of a file in a folder, see `list_files`.

    Raises:
        IadError: for a name that is not Unicode.

    >>> image_id_of(Path("data") / "camera 1" / "b.png", Path("data"))
    'camera 1/b.png'
    """
    image_id = unicodedata.normalize("NFC", path.relative_to(folder).as_posix())
    try:
        image_id.encode()
    except UnicodeEncodeError:
        raise IadError(f"{image_id!r} in {folder}: the name is not valid Unicode; rename the file") from None
    return image_id
