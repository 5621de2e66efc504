"""A second bundle that judges the same parts without a say: what it would have said is in the log beside verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Thread

from iad.bundles.predictor import Predictor
from iad.bundles.verdict import Verdict
from iad.data.pictures import PictureFile
from iad.errors import IadError
from iad.serve.entries import LAST_WORD, Entry
from iad.serve.log import VerdictLog
from iad.serve.rejudging import Pair

Job = tuple[Entry, PictureFile]


class Shadow:
    """Judges in a thread of its own, as long as there is time: a part that finds the queue full is left out.

    Args:
        inspector: the bundle.
        sha256: of it.
        log: where verdicts are.
        most: parts that may wait.

    Attributes:
        left_out: how many parts were.
        problem: why the last ones are not in the log; empty if they are.
    """

    def __init__(self, inspector: Predictor, sha256: str, log: VerdictLog, *, most: int = 256) -> None:
        self._inspector, self._sha256, self._log = inspector, sha256, log
        self._queue: Queue[Job | None] = Queue(most)
        self.left_out, self.problem = 0, ""
        self._thread = Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def submit(self, entries: Sequence[Entry], files: Sequence[PictureFile]) -> None:
        """Have parts judged whose verdicts are in the log; does not wait."""
        for entry, file in zip(entries, files, strict=True):
            if entry.rejected is None:
                continue
            try:
                self._queue.put_nowait((entry, file))
            except Full:
                self.left_out += 1

    def close(self) -> None:
        """Judge what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        for jobs in self._batches():
            files = [file for _, file in jobs]
            try:
                found = self._inspector.predict(files, maps=False, errors="return", batch_size=len(files))
                self._keep([entry for entry, _ in jobs], list(found))
                self.problem = ""
            except IadError as refusal:  # of the log: verdicts that count are told there
                self.problem = str(refusal)
                self.left_out += len(jobs)

    def _batches(self) -> Iterator[list[Job]]:
        while (first := self._queue.get()) is not None:
            jobs, ended = [first], False
            while len(jobs) < self._inspector.batch_size and not ended:
                try:
                    job = self._queue.get_nowait()
                except Empty:
                    break
                ended = job is None
                jobs += [job] if job is not None else []
            yield jobs
            if ended:
                return

    def _keep(self, entries: Sequence[Entry], verdicts: Sequence[Verdict]) -> None:
        rows = [
            (entry.number, self._sha256, one.pred_score, one.p_value, self._inspector.threshold, one.rejected)
            for entry, one in zip(entries, verdicts, strict=True)
            if one.rejected is not None and not one.known
        ]
        with self._log.writing() as base:
            base.executemany(
                "INSERT INTO shadows (verdict, bundle, score, p_value, threshold, rejected) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )


def shadow_pairs(log: VerdictLog, bundle: str = "") -> tuple[str, list[Pair]]:
    """Verdicts, and what a shadow would have said of the same parts.

    Args:
        log: the log.
        bundle: the beginning of the shadow's SHA-256; empty: the one that judged last.

    Returns:
        SHA-256 of the shadow, and the pairs.

    Raises:
        IadError: if there is no such shadow.
    """
    last = log.rows("SELECT bundle FROM shadows WHERE instr(bundle, ?) = 1 ORDER BY number DESC LIMIT 1", [bundle])
    if not last:
        raise IadError(f"{log.path}: no shadow judged such parts; `iad serve` and `iad watch` take one (--shadow)")
    text = (
        f"SELECT image_id, verdicts.number, coalesce({LAST_WORD}, ''), verdicts.rejected, shadows.rejected, "  # noqa: S608
        "shadows.score FROM shadows JOIN verdicts ON verdicts.number = shadows.verdict "
        "WHERE shadows.bundle = ? AND verdicts.known = 0 ORDER BY shadows.number"
    )
    rows = log.rows(text, [last[0][0]])
    pairs = [Pair(name, number, word, bool(was), bool(now), score) for name, number, word, was, now, score in rows]
    return last[0][0], pairs


def as_kept(entry: Entry) -> PictureFile:
    """The file of a verdict, where it lies after it was judged."""
    return PictureFile(Path(entry.kept or entry.path), entry.image_id)
