"""Where a command may write: refused before anything is computed if it must not be or cannot be written.

What is there already is replaced only if that is asked for. What is an input is never replaced, and a folder of inputs
stays as it is: pictures that are under DVC would count as changed, and overlays as pictures the next time.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

from iad.errors import IadError

SUFFIX = ".iad"  # of a bundle


def require_bundle_file(
    out: Path, *, inputs: Iterable[Path] = (), force: bool = False, option: str = "--force"
) -> None:
    """Refuse a file whose name is no bundle's, and one that `require_file` refuses.

    Raises:
        IadError: saying which, and what to do.

    >>> require_bundle_file(Path("bolts.safetensors"))
    Traceback (most recent call last):
    iad.errors.IadError: bolts.safetensors: the name of a bundle ends in .iad; name it bolts.iad
    """
    if out.suffix.lower() != SUFFIX:
        raise IadError(f"{out}: the name of a bundle ends in {SUFFIX}; name it {out.with_suffix(SUFFIX)}")
    require_file(out, inputs=inputs, force=force, option=option)


def require_file(out: Path, *, inputs: Iterable[Path] = (), force: bool = False, option: str = "--force") -> None:
    """Refuse a file that cannot be written, is an input, lies in one, or is there already.

    Args:
        out: the file.
        inputs: files and folders that are read.
        force: whether one that is there may be replaced; an input never is.
        option: how `force` is asked for, for refusals.

    Raises:
        IadError: saying which, and what to do.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "table.csv"
    ...     require_file(file)
    ...     file.touch()
    ...     require_file(file)
    Traceback (most recent call last):
    iad.errors.IadError: ...table.csv: exists already; choose another name, or say --force to replace it
    """
    inputs = list(inputs)
    if aliased := next((one for one in inputs if _same(out, one)), None):
        raise IadError(f"{out}: is an input itself ({aliased}); name another file")
    if around := next((one for one in inputs if one.is_dir() and _lies_in(out, one)), None):
        raise IadError(f"{out}: lies in an input ({around}), which stays as it is; name a file outside of it")
    if out.is_dir():
        raise IadError(f"{out}: a folder; name a file")
    if out.exists() and not force:
        raise IadError(f"{out}: exists already; choose another name, or say {option} to replace it")
    _require_room(out)


def require_folder(out: Path, *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Refuse a folder that cannot be written, is an input, lies in one or around one, or holds something already.

    Args:
        out: the folder.
        inputs: files and folders that are read.
        force: whether files in it may be replaced; never those of an input.

    Raises:
        IadError: saying which, and what to do.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     require_folder(Path(folder) / "maps", inputs=[Path(folder)])
    Traceback (most recent call last):
    iad.errors.IadError: ...maps: lies in an input (...), which stays as it is; name a folder outside of it
    """
    for one in inputs:
        if _same(out, one):
            raise IadError(f"{out}: is an input itself; name another folder")
        if _lies_in(out, one):
            raise IadError(f"{out}: lies in an input ({one}), which stays as it is; name a folder outside of it")
        if _lies_in(one, out):
            raise IadError(f"{out}: an input lies in it ({one}); name a folder of its own, as {out / 'out'}")
    if out.exists() and not out.is_dir():
        raise IadError(f"{out}: a file; name a folder")
    if out.is_dir() and not force and any(out.iterdir()):
        raise IadError(
            f"{out}: holds files already; choose another folder, or say --force to replace those of one name"
        )
    _require_room(out / "x")


def weights_file(weights: str) -> list[Path]:
    """The file that an option `weights` names, which is an input; none of "wheel", "hub" and nothing.

    >>> [path.as_posix() for path in weights_file("file:nets/vit.safetensors")], weights_file("hub")
    (['nets/vit.safetensors'], [])
    """
    kind, _, name = weights.partition(":")
    return [Path(name)] if kind == "file" else []


def _require_room(file: Path) -> None:
    """Refuse a place where no file can be made, for which one is made without a name and vanishes."""
    folder = next(one for one in file.absolute().parents if one.exists())
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise IadError(f"{file}: cannot be written ({folder}: {error.strerror}); choose another place") from None


def _same(one: Path, other: Path) -> bool:
    """Whether both are one file, also through links and whatever the case of letters means here."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or lies in it: itself, or what it links to."""
    return any(_same(above, folder) for it in (path.absolute(), path.resolve()) for above in (it, *it.parents))
