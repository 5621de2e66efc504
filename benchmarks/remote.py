"""Pictures in object storage: `download` and `preprocess` from a local S3 server and from the same folder on disk.

Run it from the repository's top folder, environment active: python benchmarks/remote.py [pictures ...]
Each stage is a process of its own. Rates are by the clock, start of the process taken off: what a run of 20 pictures
takes. Processor time is that of the stage alone. The server (moto, in Python, in memory) shares the cores and is the
slower side, so that the clock says what this server can do; the processor time says what the stages cost. Private
memory is the peak of RssAnon of /proc (Linux), sampled. The last line is JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from measuring import command, machine, python, watched, write_params
from PIL import Image

SIDE = 112  # pixels
START = 20  # pictures of the run that tells what a start costs
BUCKET, ACCOUNT = "line", "123456789012"
STAGES = ("download", "preprocess")


def pictures(count: int) -> Iterator[tuple[str, bytes]]:
    """Small pictures, all different, two thirds of them good, with their paths in a plain folder."""
    for row in range(count):
        file, rng = io.BytesIO(), np.random.default_rng(row)
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)).save(file, "JPEG", quality=90)
        yield f"{'bad/hole' if row % 3 == 0 else 'good'}/{row:06d}.jpg", file.getvalue()


def serve(sizes: Sequence[int]) -> None:
    """Hold folders of so many pictures each, tell the port, and serve until the input ends."""
    from moto.s3.models import s3_backends
    from moto.server import ThreadedMotoServer

    bucket = s3_backends[ACCOUNT]["aws"]
    bucket.create_bucket(BUCKET, "us-east-1")
    for count in sizes:
        for name, data in pictures(count):
            bucket.put_object(BUCKET, f"{count}/{name}", data)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()


@contextmanager
def server(sizes: Sequence[int]) -> Iterator[None]:
    """The server in a process of its own, found through the environment."""
    words = [sys.executable, __file__, "--serve", *map(str, sizes)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, text=True, **pipes) as process:
        port = process.stdout.readline().strip() if process.stdout else ""
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        yield
        process.communicate()


def run(folder: Path, count: int, address: str | None) -> dict[str, tuple[float, float, float]]:
    """Of each stage: seconds by the clock, seconds of processor, MiB of private memory."""
    where = {"source": "folder", "category": str(count), "folder": {"address": address}}
    write_params(folder, {"data": where, "preprocess": {"image_size": SIDE}})
    found = {}
    for name in STAGES:
        clock, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        _, peak = watched(python("-m", "iad", name), folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found[name] = (time.perf_counter() - clock, used, peak)
    return found


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", nargs="*", type=int, default=[2000, 10_000], help="default: 2000 10000")
    parser.add_argument("--serve", action="store_true", help="be the server; for this script itself")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both stages at every size from both places."""
    asked = options().parse_args(arguments)
    if asked.serve:
        serve(asked.pictures)
        return
    print(machine("fsspec", "s3fs", "moto"))
    sizes, found = [START, START, *asked.pictures], {}  # the first fills the caches of the system
    with tempfile.TemporaryDirectory() as name, server(sizes[1:]):
        folder = Path(name)
        for count in sizes:
            for path, data in pictures(count):
                (folder / "data" / str(count) / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / "data" / str(count) / path).write_bytes(data)
            for where, address in {"folder": None, "s3": f"s3://{BUCKET}"}.items():
                found[where, count] = run(folder, count, address)
    print(json.dumps(report(found, asked.pictures)))


def report(
    found: dict[tuple[str, int], dict[str, tuple[float, float, float]]], sizes: Sequence[int]
) -> dict[str, float]:
    """Print a line per stage, place and size."""
    numbers: dict[str, float] = {}
    for where in ("folder", "s3"):
        for name in STAGES:
            for count in sizes:
                (clock, used, peak), (start, start_used, _) = found[where, count][name], found[where, START][name]
                rate, each = (count - START) / (clock - start), 1e3 * (used - start_used) / (count - START)
                print(
                    f"{where:6} {name:10} {count:6} pictures: {rate:5.0f}/s, {each:5.2f} ms of processor each, "
                    f"{peak:4.0f} MiB"
                )
                key = f"{where}_{name}_{count}"
                numbers |= {f"{key}_per_s": round(rate), f"{key}_ms": round(each, 2), f"{key}_mib": round(peak)}
    return numbers


if __name__ == "__main__":
    main()
