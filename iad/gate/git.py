"""Files as they stand at a Git revision: a commit, a branch, a tag, or an experiment of DVC.

DVC keeps every finished experiment as a commit under `refs/exps`, metrics and plots included. They are read through one
`git cat-file --batch` process, which answers in a fraction of a millisecond per file; `dvc exp show` takes seconds.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from iad import paths
from iad.errors import IadError

Reader: TypeAlias = Callable[[Path], bytes | None]
"""Gives the content of a file by its path in the repository, or None where there is none."""

MAIN_BRANCHES = ("origin/main", "main", "origin/master", "master")
EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]+/(.+)")
STASHES = {"failed": "refs/exps/celery/failed", "queued": "refs/exps/celery/stash"}
STASHED = re.compile(r"([0-9a-f]+)\x00.*dvc-exp:[0-9a-f]+:[0-9a-f]+:([^:]+)")
REF_FORMAT = "%(refname)%00%(objectname)%00%(committerdate:unix)"


@dataclass(frozen=True)
class Experiment:
    """A finished experiment of DVC: its name, its commit, and when it ended in seconds since 1970."""

    name: str
    commit: str
    finished: int


@dataclass(frozen=True)
class Unfinished:
    """An experiment in the queue that has no results: its name, its commit, and "failed" or "queued"."""

    name: str
    commit: str
    state: str


class RevisionFiles:
    """Reads files at revisions, through one running `git cat-file --batch`."""

    def __init__(self, questions: IO[bytes], answers: IO[bytes]) -> None:
        self.questions, self.answers = questions, answers

    def read(self, revision: str, path: Path) -> bytes | None:
        r"""The content of `path`, relative to the current folder, at `revision`; None where there is none.

        >>> import io
        >>> answers = io.BytesIO(b"5ab2 blob 6\nhello\n\nHEAD:./b.txt missing\n")  # of `git cat-file --batch`
        >>> files = RevisionFiles(io.BytesIO(), answers)
        >>> files.read("HEAD", Path("a.txt")), files.read("HEAD", Path("b.txt"))
        (b'hello\n', None)
        """
        self.questions.write(f"{revision}:./{path.as_posix()}\n".encode())
        self.questions.flush()
        header = self.answers.readline()
        if not re.fullmatch(rb"[0-9a-f]+ blob [0-9]+\n", header):
            if match := re.fullmatch(rb"[0-9a-f]+ [a-z]+ ([0-9]+)\n", header):  # a folder
                self.answers.read(int(match[1]) + 1)
            return None
        content = self.answers.read(int(header.split()[2]))
        self.answers.read(1)
        return content

    def at(self, revision: str) -> Reader:
        """Reads files at one revision."""
        return lambda path: self.read(revision, path)


@contextmanager
def revision_files() -> Iterator[RevisionFiles]:
    """Open the repository around the current folder; its files at any revision can be read inside the block.

    Raises:
        IadError: if Git is not installed, or this is no repository.
    """
    git("rev-parse", "--git-dir")
    command = ["git", "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603  # no shell
        if process.stdin is None or process.stdout is None:
            raise IadError("git cat-file: no pipes; try again")
        yield RevisionFiles(process.stdin, process.stdout)
        process.stdin.close()


def read_here(path: Path) -> bytes | None:
    """The content of a file of the working tree; None where there is none."""
    return path.read_bytes() if path.is_file() else None


def commit_of(revision: str) -> str:
    """The full hash of the commit that a revision names: a branch, a tag, a hash, or the name of an experiment.

    Raises:
        IadError: if there is no such commit, with what is missing where the clone is shallow.
    """
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    except IadError:
        named = [found.commit for found in experiments() if found.name == revision]
        if named:
            return named[0]
    if state := next((one.state for one in unfinished() if one.name == revision), None):
        why = f"failed; `dvc queue logs {revision}` says why" if state == "failed" else "waits in the queue"
        raise IadError(f"experiment '{revision}': has no results, since it {why}")
    if hint := _shallow():
        raise IadError(f"revision '{revision}': not here{hint}")
    if revision.endswith("^"):
        raise IadError(f"revision '{revision}': the first commit has no parent; name another revision")
    raise IadError(f"revision '{revision}': unknown here; see `git branch --all` and `dvc exp list --all-commits`")


def baseline(revision: str) -> tuple[str, str]:
    """Name and commit of the revision to compare the working tree with; without one, the main branch.

    Where the main branch is checked out and its results are untouched, a comparison with itself would say nothing, so
    that its parent is taken.

    Raises:
        IadError: if there is no such commit here.
    """
    if revision:
        return revision, commit_of(revision)
    main = next((name for name in MAIN_BRANCHES if _exists(name)), None)
    if main is None:
        known = ", ".join(MAIN_BRANCHES)
        raise IadError(f"no main branch here ({known}){_shallow()}; name a revision: iad gate REVISION")
    commit = commit_of(main)
    if commit == commit_of("HEAD") and not git("status", "--porcelain", "--", str(paths.METRICS), str(paths.PLOTS)):
        return f"{main}^", commit_of(f"{main}^")
    return main, commit


def commits_behind(commit: str) -> int:
    """How many commits of the history of `commit` the checked-out one lacks."""
    return int(git("rev-list", "--count", f"HEAD..{commit}"))


def experiments() -> list[Experiment]:
    """All finished experiments of this repository, the newest first."""
    lines = git("for-each-ref", "--sort=-committerdate", f"--format={REF_FORMAT}", "refs/exps").splitlines()
    fields = [line.split("\0") for line in lines]
    return [
        Experiment(match[1], commit, int(finished))
        for ref, commit, finished in fields
        if (match := EXPERIMENT.fullmatch(ref))
    ]


def unfinished() -> list[Unfinished]:
    """Experiments of DVC's queue that failed or wait, the newest first; one that is running is not told."""
    return [
        Unfinished(match[2], match[1], state)
        for state, ref in STASHES.items()
        if _exists(ref)
        for line in git("reflog", "show", "--format=%H%x00%gs", ref).splitlines()
        if (match := STASHED.match(line))
    ]


def git(*arguments: str) -> str:
    """What a Git command prints.

    Raises:
        IadError: with the reason that Git gives, if it fails or is not installed.

    >>> git("hash-object", "--no-such-option")
    Traceback (most recent call last):
    iad.errors.IadError: git hash-object: ...
    """
    try:
        # S603, S607: no shell is involved, and Git is found as the user's own shell would find it
        found = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            capture_output=True, text=True, encoding="utf-8", check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise IadError("git: not found; install it, since results of other revisions are read from it") from None
    if found.returncode:
        reason = " ".join(found.stderr.split()) or f"ended with {found.returncode}"
        raise IadError(f"git {arguments[0]}: {reason}")
    return found.stdout


def _exists(name: str) -> bool:
    try:
        return bool(git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"))
    except IadError:
        return False


def _shallow() -> str:
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        return ": the clone is shallow; in CI, check out with fetch-depth: 0 (elsewhere: git fetch --unshallow)"
    return ""
