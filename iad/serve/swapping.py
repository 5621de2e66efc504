"""Another bundle in the place of one that is at work, and back: files that are renamed, and programs that see it.

A bundle's place is a file that `iad serve` or `iad watch` was started with. Promoting puts a copy of another bundle
there by one rename, so that whoever opens it finds the old one or the new one and nothing between; the old one is kept
in a hidden folder beside it, from where rolling back takes it. Programs at work see that the file is another, and take
it up between two pictures. Each verdict in the log names the bundle that spoke.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from iad.bundles.bundle import SUFFIX, locked, read_bundle, require_verdicts
from iad.errors import IadError
from iad.io import replacing

if TYPE_CHECKING:
    from iad.bundles.predictor import Predictor

UNDONE = "undone"  # before the name of a bundle that was rolled back


def promote(new: Path, place: Path) -> tuple[str, str]:
    """Put a bundle in the place of another.

    Args:
        new: the bundle; it stays where it is.
        place: of the one that it replaces.

    Returns:
        SHA-256 of the old bundle and of the new one.

    Raises:
        IadError: if one of them is no bundle, both are the same, or the place cannot be written.
    """
    with locked(place):
        (_, old_digest), (bundle, new_digest) = (read_bundle(one) for one in (place, new))
        require_verdicts(bundle, str(new))
        if old_digest == new_digest:
            raise IadError(f"{place}: is that very bundle already; nothing to promote")
        kept = _kept(place)
        number = 1 + max((int(one.name.split("-")[0]) for one in kept), default=0)
        _copied(place, _folder(place) / f"{number:04}-{old_digest[:12]}{SUFFIX}")
        _copied(new, place)
    return old_digest, new_digest


def rollback(place: Path) -> tuple[str, str]:
    """Put the bundle before back into its place; the one that leaves is kept under another name.

    Args:
        place: of the bundle.

    Returns:
        SHA-256 of the bundle that left, and of the one that is back.

    Raises:
        IadError: if none was promoted there, the kept one is damaged, or the place cannot be written.
    """
    with locked(place):
        kept = _kept(place)
        if not kept:
            raise IadError(f"{place}: no bundle was promoted in its place, or all were rolled back")
        (left, back) = (read_bundle(one)[1] for one in (place, kept[-1]))
        _copied(place, _folder(place) / f"{UNDONE}-{left[:12]}{SUFFIX}")
        _copied(kept[-1], place)
        kept[-1].unlink()
    return left, back


def open_bundle(
    path: Path, *, warn: Callable[[str], None], device: str, weights: str
) -> tuple[Predictor, str]:  # fmt: skip
    """A bundle ready to inspect, and its SHA-256.

    Args:
        path: its file.
        warn: as in `iad.bundles.predictor.Predictor`; so are the following.
        device: where it computes.
        weights: where the backbone's weights come from.

    Raises:
        IadError: as `iad.bundles.predictor.load`.
    """
    from iad.bundles.predictor import Predictor

    found, digest = read_bundle(path)
    require_verdicts(found, str(path))
    inspector = Predictor(found, origin=str(path), device=device, weights=weights)
    inspector.warn = warn
    return inspector, digest


class BundleFile:
    """A bundle at work, taken up anew when its file is another.

    Args:
        path: the file.
        opened: makes it ready to inspect, and gives its SHA-256.
        tell: called with a line for the person who runs the program.

    Attributes:
        path: as given.
        inspector: the bundle at work.
        sha256: of it.
    """

    def __init__(
        self, path: Path, opened: Callable[[Path], tuple[Predictor, str]], tell: Callable[[str], None]
    ) -> None:
        self.path, self._opened, self._tell = path, opened, tell
        self._seen = _signature(path)
        self.inspector, self.sha256 = opened(path)

    def renewed(self) -> bool:
        """Whether the file is another bundle since the last time, which is at work from now on.

        A file that is away or cannot be used is told once; the bundle before goes on.
        """
        seen = _signature(self.path)
        if seen in (None, self._seen):
            return False
        self._seen = seen
        try:
            inspector, sha256 = self._opened(self.path)
        except IadError as refusal:
            self._tell(f"not taken up, {self.sha256[:12]} goes on: {refusal}")
            return False
        if sha256 == self.sha256:
            return False
        before, self.inspector, self.sha256 = self.sha256, inspector, sha256
        new = f"{sha256[:12]}, which rejects from {inspector.threshold:.4f} on"
        self._tell(f"{self.path}: bundle {before[:12]} was replaced by {new}")
        return True


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _folder(place: Path) -> Path:
    real = place.resolve()
    return real.with_name(f".{real.name}.before")


def _kept(place: Path) -> list[Path]:
    """Bundles that were in this place before, the last one at the end."""
    found = [one for one in _folder(place).glob(f"*{SUFFIX}") if one.name.split("-")[0].isdecimal()]
    return sorted(found, key=lambda one: int(one.name.split("-")[0]))


def _copied(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(exist_ok=True)
        with replacing(target.resolve()) as part:
            shutil.copyfile(source, part)
            with part.open("rb+") as file:  # on the disk before its name is, also across a power cut
                os.fsync(file.fileno())
    except OSError as error:
        raise IadError(f"{target}: cannot be written ({error.strerror}); nothing was changed") from None
