"""Decoding as work for the nodes of a cluster: the bytes of pictures in, rows of an array out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from iad.data.originals import Originals
from iad.engine import Block, Engine
from iad.errors import IadError

NAME, CONTENT, UNREAD, PIXELS, REFUSED = "name", "content", "unread", "pixels", "refused"


def decode_there(
    engine: Engine, originals: Originals, names: Sequence[str], decoder: Callable[[bytes, str], np.ndarray],
    shape: tuple[int, ...], *, title: str, bad: dict[str, str] | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """Decode pictures or masks on the nodes of a cluster.

    Args:
        engine: the cluster.
        originals: the files.
        names: of those wanted, `(N,)`.
        decoder: makes an array of one's bytes and name; it is pickled.
        shape: of the array, uint8.
        title: of the bar.
        bad: where to put, by name, why one cannot be decoded, whose array is zeros then; None: it is refused.

    Yields:
        Places in `names`, int64 `(K,)`, and arrays, uint8 `(K, *shape)`, in the order of the names.

    Raises:
        IadError: naming the first, in their order, that cannot be read, or decoded.
    """
    make = partial(Decode, decoder, shape, spare=bad is not None)
    each = int(np.prod(shape)) + int(originals.sizes(names).mean())
    for places, found in engine.map(make, Encoded(originals, names), title=title, each=each):
        if bad is not None:
            bad |= {names[place]: why for place, why in zip(places, found[REFUSED], strict=True) if why}
        yield places, found[PIXELS]


class Encoded:
    """The files of pictures, or of masks, as a source of blocks.

    Args:
        originals: where they are.
        names: of those wanted, `(N,)`.
    """

    def __init__(self, originals: Originals, names: Sequence[str]) -> None:
        self.originals = originals
        self.names = pa.array(names, pa.string())  # processes of one node share it, and not ten million objects each

    def __len__(self) -> int:
        return len(self.names)

    @property
    def remote(self) -> bool:
        """Whether they lie where any node can read them."""
        return self.originals.remote

    def read(self, rows: np.ndarray) -> Block:
        """Names and bytes; from the first file on that cannot be read, no bytes, and why not."""
        names: list[str] = self.names.take(pa.array(rows)).to_pylist()
        contents: list[bytes] = []
        unread = ""
        try:
            contents.extend(self.originals.stream(names))
        except IadError as refusal:
            unread = str(refusal)
        absent = len(names) - len(contents)
        reasons = [""] * len(contents) + [unread] * absent
        columns = {NAME: names, CONTENT: contents + [b""] * absent, UNREAD: reasons}
        return {column: np.array(values, dtype=object) for column, values in columns.items()}


class Decode:
    """The work on a block of `Encoded`; see `decode_there`."""

    def __init__(self, decoder: Callable[[bytes, str], np.ndarray], shape: tuple[int, ...], *, spare: bool) -> None:
        self.decoder, self.shape, self.spare = decoder, shape, spare

    def __call__(self, block: Block) -> Block:
        """Arrays, uint8 `(K, *shape)`, and why one is zeros, empty where it is not."""
        pixels = np.zeros((len(block[NAME]), *self.shape), np.uint8)
        refused = [""] * len(pixels)
        for place, (name, content, unread) in enumerate(
            zip(*(block[one] for one in (NAME, CONTENT, UNREAD)), strict=True)
        ):
            if unread:
                raise IadError(unread)
            try:
                pixels[place] = self.decoder(content, name)
            except IadError as refusal:
                if not self.spare:
                    raise
                refused[place] = str(refusal)
        return {PIXELS: pixels, REFUSED: np.array(refused, dtype=object)}
