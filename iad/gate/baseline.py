"""Which revision the gate compares with, and where it stands."""

from __future__ import annotations

from iad import paths
from iad.errors import IadError
from iad.gate.revisions import commit_of, git

MAIN_BRANCHES = ("origin/main", "main", "origin/master", "master")


def baseline(revision: str) -> tuple[str, str]:
    """Name and commit of the revision to compare with; without one, the main branch.

    Where the main branch is checked out and its results are untouched, a comparison with itself would say nothing, so
    that its parent is taken.

    Raises:
        IadError: if there is no such commit here.
    """
    if revision:
        return revision, _commit(revision)
    main = next((name for name in MAIN_BRANCHES if _exists(name)), None)
    if main is None:
        known = ", ".join(MAIN_BRANCHES)
        raise IadError(f"no main branch here ({known}){_shallow()}; name a revision: iad gate REVISION")
    commit = _commit(main)
    if commit == _commit("HEAD") and not git("status", "--porcelain", "--", str(paths.METRICS), str(paths.PLOTS)):
        return f"{main}^", _commit(f"{main}^")
    return main, commit


def commits_behind(commit: str) -> int:
    """How many commits of the revision the checked-out one lacks."""
    return int(git("rev-list", "--count", f"HEAD..{commit}"))


def _exists(name: str) -> bool:
    try:
        return bool(git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"))
    except IadError:
        return False


def _commit(revision: str) -> str:
    try:
        return commit_of(revision)
    except IadError as refusal:
        if hint := _shallow():
            raise IadError(f"revision '{revision}': not here{hint}") from None
        if revision.endswith("^"):
            raise IadError(f"revision '{revision}': the first commit has no parent; name another revision") from None
        raise refusal from None


def _shallow() -> str:
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        return ": the clone is shallow; in CI, check out with fetch-depth: 0 (elsewhere: git fetch --unshallow)"
    return ""
