"""A local S3 server, and storages that fail as networks do."""

import errno
import logging
import threading
import time
from contextlib import contextmanager
from importlib.util import find_spec
from urllib.request import Request, urlopen

import pytest
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

NEEDED = ("flask", "flask_cors", "moto", "s3fs")  # moto serves with flask and flask-cors
needs_s3 = pytest.mark.skipif(
    not all(map(find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}: a local S3 server, 60 MB in the group dev"
)


class Storage(MemoryFileSystem):
    """In memory; `fails` says what is raised before reading or listing works again, `wait` how long each takes."""

    protocol = "flaky"
    cachable = False
    store, pseudo_dirs = {}, [""]
    fails, wait, now, most, calls = [], 0.0, 0, 0, 0
    counting = threading.Lock()

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("flaky://", "memory://"))

    @classmethod
    def start(cls):
        """Empty, without faults."""
        cls.store.clear()
        cls.pseudo_dirs[:] = [""]
        cls.fails, cls.wait, cls.now, cls.most, cls.calls, cls.async_impl = [], 0.0, 0, 0, 0, False
        register_implementation("flaky", cls, clobber=True)

    def ls(self, path, detail=True, **_):
        return self._counted(super().ls, path, detail=detail)

    def cat_file(self, path, **_):
        return self._counted(super().cat_file, path)

    def _counted(self, work, *args, **options):
        kind = type(self)
        with kind.counting:
            kind.calls, kind.now = kind.calls + 1, kind.now + 1
            kind.most = max(kind.most, kind.now)
            failure = kind.fails.pop(0) if kind.fails else None
        try:
            time.sleep(kind.wait)
            if failure:
                raise failure
            return work(*args, **options)
        finally:
            with kind.counting:
                kind.now -= 1


def broken():
    """What a cut connection raises."""
    return OSError(errno.ECONNRESET, "Connection reset by peer")


def told(url, data=b""):
    """Tell the server something that S3 has no word for."""
    request = Request(url, data, {"Content-Type": "text/plain"}, method="POST")  # noqa: S310  # this computer
    with urlopen(request, timeout=10):  # noqa: S310  # the same
        pass


@contextmanager
def s3_server(monkeypatch):
    """An S3 server on this computer, found through the environment, as users tell where theirs is: a call of it."""
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    told(f"http://{host}:{port}/moto-api/reset")  # what another server of this process held
    S3FileSystem.clear_instance_cache()
    try:
        yield S3FileSystem(anon=False).call_s3
    finally:
        server.stop()
        S3FileSystem.clear_instance_cache()
