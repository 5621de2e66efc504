"""A bundle at work: pictures of several senders wait in a bounded queue, in turns, and are computed together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread

from iad.bundles.predictor import Predictor
from iad.bundles.verdict import Verdict
from iad.data.pictures import PictureFile
from iad.errors import IadError
from iad.serve.entries import Entry, judged
from iad.serve.load.memory import give_back_after
from iad.serve.load.turns import Turns
from iad.serve.log import VerdictLog
from iad.serve.shadow import Shadow


@dataclass(frozen=True)
class SentPicture(PictureFile):
    """A picture whose bytes were sent.

    Attributes:
        data: its bytes.
    """

    data: bytes = b""

    def read(self) -> bytes:
        """Its bytes."""
        return self.data


@dataclass(frozen=True, eq=False)
class Job:
    """A picture that waits, since when, and for whom."""

    picture: SentPicture
    since: float = field(default_factory=time.monotonic)
    answer: Future[Entry] = field(default_factory=Future)


class BusyError(Exception):
    """No room in the queue; `seconds` is when there may be some."""

    def __init__(self, seconds: float) -> None:
        super().__init__("too many pictures are waiting")
        self.seconds = seconds


class Station:
    """Inspects what is submitted, in one thread; each verdict is in the log before its sender has it.

    Args:
        name: by which senders call the bundle.
        inspector: the bundle.
        sha256: of the bundle.
        log: where verdicts go.
        most: pictures that may wait; more are turned away.
        shadow: a second bundle that judges the same pictures without a say.

    Attributes:
        name: as given.
    """

    def __init__(
        self, name: str, inspector: Predictor, sha256: str, log: VerdictLog, *, most: int = 256,
        shadow: Shadow | None = None,
    ) -> None:  # fmt: skip
        self.name, self._log, self._most, self._shadow = name, log, most, shadow
        self._judge = inspector, sha256  # replaced as one
        self._turns = Turns[Job]()
        self._waiting, self._lock = 0, Lock()
        self._rate = 0.1  # seconds a picture, as of late
        self._thread = Thread(target=self._run, name=f"station {name}", daemon=True)
        self._thread.start()

    @property
    def inspector(self) -> Predictor:
        """The bundle at work."""
        return self._judge[0]

    @property
    def sha256(self) -> str:
        """Of the bundle at work."""
        return self._judge[1]

    def take(self, inspector: Predictor, sha256: str) -> None:
        """Put another bundle to work; pictures that are being computed are finished by the one before."""
        self._judge = inspector, sha256

    @property
    def waiting(self) -> int:
        """How many pictures have no answer yet."""
        return self._waiting

    @property
    def is_alive(self) -> bool:
        """Whether pictures that are submitted will be inspected."""
        return self._thread.is_alive()

    def submit(self, pictures: Sequence[SentPicture]) -> list[Future[Entry]]:
        """Queue pictures, all or none.

        Returns:
            Their verdicts as they will be; or the `IadError` of a log that cannot be written.

        Raises:
            BusyError: if there is no room for all of them.
        """
        jobs = [Job(one) for one in pictures]
        with self._lock:
            if self._waiting and self._waiting + len(jobs) > self._most:
                raise BusyError(self._waiting * self._rate)
            self._waiting += len(jobs)
            self._turns.put(jobs)
        return [job.answer for job in jobs]

    def close(self) -> None:
        """Answer what is waiting, then end."""
        self._turns.close()
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._turns.take(self.inspector.batch_size):  # whoever comes alone waits for no other
            began = time.monotonic()
            found = self._judged(jobs)
            with self._lock:
                self._waiting -= len(jobs)
                self._rate += ((time.monotonic() - began) / len(jobs) - self._rate) / 4
            for job, one in zip(jobs, found, strict=True):
                if not job.answer.set_running_or_notify_cancel():
                    continue  # its sender has given up; the verdict is in the log
                if isinstance(one, BaseException):
                    job.answer.set_exception(one)
                else:
                    job.answer.set_result(one)

    def _judged(self, jobs: Sequence[Job]) -> Sequence[Entry | BaseException]:
        """Entries, or what went wrong: nobody may wait forever, and nobody for what another one's picture did."""
        try:
            return self._inspected(jobs)
        except IadError as refusal:  # of the log
            return [refusal] * len(jobs)
        except BaseException as error:  # noqa: BLE001  # a fault of ours, before anything was logged
            return [error] if len(jobs) == 1 else [one for job in jobs for one in self._judged([job])]

    def _inspected(self, jobs: Sequence[Job]) -> list[Entry]:
        judge, pictures = self._judge, [job.picture for job in jobs]
        found = judge[0].predict(pictures, maps=False, errors="return", batch_size=len(jobs))
        verdicts = list(found)
        entries = [_entry(job, one, *judge) for job, one in zip(jobs, verdicts, strict=True)]
        entries = self._log.append_all(entries, [one.sight for one in verdicts])
        give_back_after(verdicts)
        if self._shadow is not None:
            self._shadow.submit(entries, pictures)
        return entries


def _entry(job: Job, verdict: Verdict, inspector: Predictor, sha256: str) -> Entry:
    picture, seconds = job.picture, time.monotonic() - job.since
    return judged(verdict, inspector, sha256, image_id=picture.name, size=len(picture.data), seconds=seconds)


def sent(name: str, data: bytes) -> SentPicture:
    """A picture as it was sent; only the last part of its name counts.

    >>> sent("../../etc/a.png", b"").name
    'a.png'
    """
    last = name.replace("\\", "/").rpartition("/")[2] or "picture"
    return SentPicture(Path(last), last, data=data)
