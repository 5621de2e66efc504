"""What nobody should send to a server, for `benchmarks/hostile.py`; no script."""

from __future__ import annotations

import io
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

KEY = "a long secret for these trials"
HOST = f"Host: here\r\nX-API-Key: {KEY}\r\n"
PREDICT = "POST /v1/predict HTTP/1.1\r\n"
OF_X = "multipart/form-data; boundary=x"
MANY = "A: b\r\n" * 100_000
UNREAD, BAD = (422,), (400,)


@dataclass(frozen=True)
class Case:
    """One thing to send.

    Attributes:
        name: in the table.
        status: that may be answered; 0: none, the connection is closed.
        parts: bytes to send, and seconds to wait in between.
        hangs_up: whether the sender does not wait for the answer.
        dear: whether it is a picture within the limits, which costs what it costs.
    """

    name: str
    status: tuple[int, ...]
    parts: tuple[bytes | float, ...]
    hangs_up: bool = False
    dear: bool = False


def requests(good: bytes) -> Iterator[Case]:
    """Everything, a good picture last.

    Args:
        good: a PNG file that is a good picture.
    """
    yield from pictures(good)
    yield from forms(good)
    yield from heads(good)
    yield from senders(good)
    yield Case("(a good picture)", (200,), body(good))


def body(data: bytes, kind: str = "image/png", more: str = "", query: str = "") -> tuple[bytes, ...]:
    """A picture as the body of a request."""
    head = (
        f"POST /v1/predict{query} HTTP/1.1\r\n{HOST}Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n{more}\r\n"
    )
    return head.encode("latin-1"), data


def form(*parts: tuple[str, bytes], boundary: str = "x", end: bool = True) -> tuple[bytes, ...]:
    """Files of a form, each with the words of its Content-Disposition."""
    found = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {words}\r\n\r\n".encode("utf-8", "surrogateescape")
        + data
        + b"\r\n"
        for words, data in parts
    )
    return body(found + (f"--{boundary}--\r\n".encode() if end else b""), f"multipart/form-data; boundary={boundary}")


def encoded(kind: str, size: tuple[int, int] = (300, 300), mode: str = "L", **given: object) -> bytes:
    """A picture of noise in some format."""
    shape = (size[1], size[0], *((len(mode),) if len(mode) > 1 else ()))
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, kind, **given)
    return file.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, colour: int = 0) -> bytes:
    """A PNG of these chunks."""
    head = b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    found = b"\x89PNG\r\n\x1a\n"
    for name, data in (head, *chunks, (b"IEND", b"")):
        found += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return found


def bomb(side: int) -> bytes:
    """A picture of one bit a pixel that is nothing when it is packed and much when it is not."""
    rows = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    return png(side, side, (b"IDAT", b"".join([*(rows.compress(row) for _ in range(side)), rows.flush()])), depth=1)


def pictures(good: bytes) -> Iterator[Case]:
    """Bodies that are no pictures, or odd ones."""
    half = {kind: (data := encoded(kind))[: len(data) // 2] for kind in ("JPEG", "BMP", "TIFF", "WEBP")}
    wrong_sum = bytearray(good)
    wrong_sum[40] ^= 255
    idat = b"IDAT", zlib.compress(bytes(301 * 300))
    deep = io.BytesIO()
    Image.fromarray(np.full((300, 300), np.nan, np.float32)).save(deep, "TIFF")
    frames = io.BytesIO()
    Image.new("L", (30, 30)).save(frames, "PNG", save_all=True, append_images=[Image.new("L", (30, 30), 9)])
    moving = io.BytesIO()
    Image.new("L", (30, 30)).save(moving, "WEBP", save_all=True, append_images=[Image.new("L", (30, 30), 9)])
    ring = b"II*\0\x08\0\0\0\x00\x00\x08\0\0\0"  # its directory is followed by itself
    strips = b"II*\0\x08\0\0\0\x01\x00\x11\x01\x04\x00\xff\xff\xff\xff\x08\0\0\0\0\0\0\0"
    tall = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 1, 1, 0, 0)
    wide = b"\xff\xd8\xff\xc0\x00\x0b\x08\xff\xff\xff\xff\x01\x01\x11\x00\xff\xd9"
    text = png(300, 300, (b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000))), idat)
    profile = png(300, 300, (b"iCCP", b"a\0\0" + zlib.compress(bytes(80_000_000))), idat)
    cases = {
        "an empty body": (b"", BAD), "one byte": (b"\x89", UNREAD), "text": (b"hello\n" * 50, UNREAD),
        "the first half of a PNG": (good[: len(good) // 2], UNREAD),
        **{f"the first half of a {kind}": (data, UNREAD) for kind, data in half.items()},
        "a PNG with a wrong checksum": (bytes(wrong_sum), UNREAD),
        "a PNG without pixels": (png(300, 300), UNREAD),
        "a PNG whose pixels end early": (png(300, 300, (b"IDAT", zlib.compress(bytes(999)))), (200, 422)),
        "a PNG of 0 x 0": (png(0, 0, idat), UNREAD),
        "a PNG that says 2 billion x 2 billion": (png(2**31 - 1, 2**31 - 1, idat), UNREAD),
        "a bomb: 20,000 x 20,000 px in 50 kB": (bomb(20_000), UNREAD),
        "a PNG with 80 MB of packed text": (text, (200, 422)),
        "a PNG with 80 MB of packed colour profile": (profile, (200, 422)),
        "a PNG with a palette and none in it": (png(300, 300, idat, colour=3), (200, 422)),
        "a moving PNG": (frames.getvalue(), UNREAD), "a moving WebP": (moving.getvalue(), UNREAD),
        "a PNG of 1 x 1": (encoded("PNG", (1, 1)), (200, 422)),
        "a PNG of 90,000 x 1": (encoded("PNG", (90_000, 1)), (200, 422)),
        "a JPEG that says 65,535 x 65,535": (wide, UNREAD), "a BMP that says 2 billion x 2 billion": (tall, UNREAD),
        "a TIFF whose directory is a ring": (ring, UNREAD), "a TIFF with 4 billion strips": (strips, UNREAD),
        "a TIFF of numbers that are none": (deep.getvalue(), (200, 422)),
        "a JPEG of four inks": (encoded("JPEG", mode="CMYK"), (200, 422)),
        "a GIF": (encoded("GIF"), UNREAD), "an SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNREAD),
        "a PDF": (b"%PDF-1.7\n" + bytes(500), UNREAD), "a ZIP": (b"PK\x03\x04" + bytes(500), UNREAD),
        "a program": (b"\x7fELF" + bytes(500), UNREAD), "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", UNREAD),
        "8 MB of zeros": (bytes(8 * 10**6), UNREAD),
        "8 MB of noise": (np.random.default_rng(0).bytes(8 * 10**6), UNREAD),
    }  # fmt: skip
    for name, (data, status) in cases.items():
        yield Case(name, status, body(data))


def forms(good: bytes) -> Iterator[Case]:
    """Forms that are none, or odd ones."""
    file = 'name="f"; filename="{}"'.format
    named = lambda name: form((file(name), good))  # noqa: E731  # short, and used a line below
    yield Case("a form without a boundary", BAD, body(b"--x\r\n", "multipart/form-data"))
    yield Case("a form with another boundary", BAD, body(b"--y\r\n\r\n", "multipart/form-data; boundary=x"))
    yield Case("a boundary of 10 kB", BAD, body(b"--x", "multipart/form-data; boundary=" + "x" * 10_000))
    yield Case("a form that does not end", (*BAD, 200, 422), form((file("a.png"), good), end=False))
    yield Case("a form of 65 files", BAD, form(*[(file("a.png"), b"1")] * 65))
    yield Case("a form of 10,000 fields", BAD, form(*[('name="a"', b"1")] * 10_000))
    yield Case("a field of 8 MB", BAD, form(('name="a"', bytes(8_000_000))))
    yield Case("a form of fields alone", BAD, form(('name="a"', b"1")))
    yield Case(
        "a form with a million line ends before it", BAD, body(b"\r\n" * 10**6, "multipart/form-data; boundary=x")
    )
    yield Case("a part with 100,000 headers", BAD, body(b"--x\r\n" + b"a: b\r\n" * 100_000, OF_X))
    yield Case("a file called ../../../etc/passwd", (200,), named("../../../etc/passwd"))
    yield Case(r"a file called ..\..\boot.ini", (200,), named("..\\..\\boot.ini"))
    yield Case("a file called by a NUL", (200, 400), named("a\0b.png"))
    yield Case("a file called by control characters", (200, 400), named("\x1b[2J\x07.png"))
    yield Case("a file called by 100 kB", (200, 400), named("a" * 100_000))
    yield Case("a file called by bytes that are no text", (200, 400), named("\udcff\udcfe.png"))
    yield Case("a file called by a script", (200,), named("<script>alert(1)</script>.png"))


def heads(good: bytes) -> Iterator[Case]:
    """Heads of requests that are none, or ask for what is not there."""
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "TRACE"):
        yield Case(f"{method} /v1/predict", (405,), (f"{method} /v1/predict HTTP/1.1\r\n{HOST}\r\n".encode(),))
    for path in (
        "/nothing",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/%00",
        "//elsewhere/x",
        "/v1/bundles/../x",
    ):
        yield Case(f"GET {path}", (404, 400), (f"GET {path} HTTP/1.1\r\n{HOST}\r\n".encode(),))
    yield Case(
        "an address of 200 kB", (400, 404, 413, 414, 431), (f"GET /{'a' * 200_000} HTTP/1.1\r\n{HOST}\r\n".encode(),)
    )
    yield Case(
        "a header of 1 MB", (400, 413, 431), (f"GET /v1/bundles HTTP/1.1\r\n{HOST}A: {'a' * 10**6}\r\n\r\n".encode(),)
    )
    yield Case("100,000 headers", (400, 431), (f"GET /v1/bundles HTTP/1.1\r\n{HOST}{MANY}\r\n".encode(),))
    yield Case("a bundle called ../../etc/passwd", (404,), body(good, query="?bundle=../../etc/passwd"))
    yield Case("a bundle called by 10 kB", (404,), body(good, query="?bundle=" + "b" * 10_000))
    yield Case(
        "a bundle called '; DROP TABLE verdicts", (404,), body(good, query="?bundle=%27;%20DROP%20TABLE%20verdicts")
    )
    yield Case("two bundles at once", (404,), body(good, query="?bundle=ae&bundle=no"))
    yield Case("a picture called ../../a.png", (200,), body(good, query="?name=../../a.png"))
    yield Case("a picture called by a line end", (200,), body(good, query="?name=a%0D%0Ab.png"))
    yield Case("content of type text/html", (415,), body(good, "text/html"))
    yield Case("content of no type", (415,), (f"{PREDICT}{HOST}Content-Length: 1\r\n\r\n1".encode(),))
    yield Case("a length below zero", (400,), (f"{PREDICT}{HOST}Content-Length: -1\r\n\r\n".encode(),))
    yield Case("a length that is no number", (400,), (f"{PREDICT}{HOST}Content-Length: ten\r\n\r\n".encode(),))
    yield Case("two lengths", (400,), (f"{PREDICT}{HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n12".encode(),))
    yield Case("a length and chunks", (400, 415, 422), (
        f"{PREDICT}{HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(),
    ))  # fmt: skip
    yield Case("a chunk of a size that is none", (400,), (
        f"{PREDICT}{HOST}Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
    ))  # fmt: skip
    yield Case("a length of 10 GB", (413,), (f"{PREDICT}{HOST}Content-Length: 10000000000\r\n\r\n".encode(),))
    yield Case("bytes that are no HTTP", (400,), (b"\0\1\2\3\r\n\r\n",))
    yield Case(
        "a handshake of TLS", (400,), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n",)
    )
    yield Case("a preface of HTTP/2", (400, 0), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",))
    yield Case("HTTP/9.9", (400, 505), (f"GET /healthz HTTP/9.9\r\n{HOST}\r\n".encode(),))
    yield Case("a request id with a bell in it", (400,), body(good, more="X-Request-Id: a b\x07\r\n"))


def senders(good: bytes) -> Iterator[Case]:
    """Senders without a key, from elsewhere, slow ones, and those that go away."""
    for name, line in {
        "no key": "", "a wrong key": "X-API-Key: wrong\r\n", "the beginning of the key": f"X-API-Key: {KEY[:10]}\r\n",
        "an empty key": "X-API-Key: \r\n", "a key of 5 kB": f"X-API-Key: {'k' * 5000}\r\n",
        "a key of letters that are no ASCII": "X-API-Key: \xe4\xff\r\n",
        "the key as a password": f"Authorization: Basic {KEY}\r\n",
        "two keys": f"X-API-Key: wrong\r\nAuthorization: Bearer {KEY}\r\n",
    }.items():  # fmt: skip
        yield Case(name, (401,), (f"GET /v1/bundles HTTP/1.1\r\nHost: here\r\n{line}\r\n".encode("latin-1"),))
    for origin in ("http://elsewhere", "null", "http://here.elsewhere"):
        yield Case(f"a page of {origin}", (403,), body(good, more=f"Origin: {origin}\r\n"))
    yield Case("a head that never ends", (408,), (PREDICT.encode(), b"A: b\r\n"))
    yield Case("a head that comes a byte a second", (408, 0), tuple(
        one for byte in PREDICT[:14] for one in (byte.encode(), 1.0)
    ))  # fmt: skip
    yield Case("a body that never ends", (408,), (body(good)[0], good[:100]))
    whole = body(good)[0]
    yield Case("a sender that goes away in the head", (0,), (PREDICT.encode(),), hangs_up=True)
    yield Case("a sender that goes away in the body", (0,), (whole, good[:100]), hangs_up=True)
    yield Case("a sender that does not wait for its verdict", (0,), (whole, good), hangs_up=True)
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    endless = f"{PREDICT}{HOST}Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    yield Case("chunks without an end", (413,), (endless, *[chunk] * 1100), dear=True)


Prepare = Callable[[Path, Path, Path], object]


def _cut(folder: Path, bundle: Path, _: Path) -> None:
    (folder / "b.iad").write_bytes(bundle.read_bytes()[:-1000])


def _altered(folder: Path, bundle: Path, _: Path) -> None:
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "b.iad").write_bytes(data)


def _whole(folder: Path, bundle: Path, pictures: Path) -> None:
    shutil.copy(bundle, folder / "b.iad")
    shutil.copytree(pictures, folder / "in")


def _other_log(folder: Path, bundle: Path, pictures: Path) -> None:
    _whole(folder, bundle, pictures)
    (folder / "a.db").write_bytes(b"no database" * 99)


def _empty(folder: Path, _: Path, __: Path) -> None:
    (folder / "b.iad").touch()


EVERYWHERE = "0.0.0.0"  # noqa: S104  # it is to be refused
WATCH = ("watch", "in", "--bundle", "b.iad", "--once")
COMMANDS: tuple[tuple[str, tuple[str, ...], Prepare], ...] = (
    ("a bundle that is cut short", ("serve", "b.iad", "--port", "0"), _cut),
    ("a bundle of which one bit is another", ("serve", "b.iad", "--port", "0"), _altered),
    ("an empty bundle", ("serve", "b.iad", "--port", "0"), _empty),
    ("a log that is a file of another kind", (*WATCH, "--log", "a.db"), _other_log),
    ("a log that is a device", (*WATCH, "--log", "/dev/full"), _whole),
    ("a folder that is not there", ("watch", "gone", "--bundle", "b.iad", "--once"), _whole),
    ("verdicts into the folder that is watched", (*WATCH, "--passed", "in"), _whole),
    ("a broker's address with a password", (*WATCH, "--mqtt", "mqtt://me:secret@host/t"), _whole),
    ("another address without a key", ("serve", "b.iad", "--host", EVERYWHERE), _whole),
)  # fmt: skip
