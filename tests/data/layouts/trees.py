"""Folders of pictures as names and bytes, read as the source `folder` reads them; nothing touches a disk."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from iad.data.layouts import Choice, make_tree, understand
from iad.errors import IadError

PLACE = "data/x"


def png(pixels) -> bytes:
    """The bytes of a picture of these pixels, uint8."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def tree(files):
    """A tree of names, whose content is the name, or of contents by name: bytes, text, or what becomes JSON."""
    contents = files if isinstance(files, dict) else dict.fromkeys(files, None)

    def encoded(name, content):
        if isinstance(content, bytes):
            return content
        if content is None:
            return name.encode()
        return (content if isinstance(content, str) else json.dumps(content)).encode()

    return make_tree(PLACE, ((name, lambda n=name, c=content: encoded(n, c)) for name, content in contents.items()))


def read(files, **choice):
    """What is understood of the files."""
    return understand(tree(files), Choice(**choice))


def facts(found):
    """Split, label, kind, mask and group of each picture, by its id."""
    return {one.image_id: (one.split, int(one.label), one.defect, one.mask, one.group) for one in found.pictures}


def refusal(files, **choice):
    """The line that refuses them, without the name of the folder where it begins with that."""
    with pytest.raises(IadError) as caught:
        read(files, **choice)
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix(PLACE)


def marked(picture):
    """Where a picture's mask is not black, as rows and columns."""
    pixels = np.asarray(Image.open(io.BytesIO(picture.read_mask())))
    return sorted(map(tuple, np.argwhere(pixels).tolist()))
