"""Whether pictures are taken as those of a bundle: the right answer for each pair, by hand."""

from dataclasses import replace

import pytest

from iad.bundles.likeness import Likeness
from iad.data.pictures import Look

PNG = Look(256, 256, "lossless", 0, False, 8)
JPEG = Look(640, 480, "JPEG", 90, True, 8)


@pytest.mark.parametrize(
    ("usual", "new", "topics"),
    [
        ([PNG], PNG, ()),
        ([PNG], replace(PNG, width=64, height=64), ("size",)),
        ([PNG], replace(PNG, width=268, height=244), ()),  # within 5 %
        ([PNG], replace(PNG, width=270), ("size",)),
        ([PNG, replace(PNG, width=64, height=64)], replace(PNG, width=64), ("size",)),  # one side of each
        ([JPEG], replace(JPEG, width=480, height=640), ("size",)),
        ([PNG], replace(PNG, coding="JPEG", quality=95), ("compression",)),
        ([JPEG], replace(JPEG, quality=80), ()),
        ([JPEG], replace(JPEG, quality=30), ("compression",)),
        ([JPEG, replace(JPEG, quality=35)], replace(JPEG, quality=30), ()),
        ([JPEG], replace(JPEG, coding="lossless", quality=0), ("compression",)),
        ([PNG], replace(PNG, coding="memory"), ()),
        ([replace(PNG, coding="memory")], JPEG, ("size", "colour")),
        ([JPEG], replace(JPEG, quality=0), ()),  # a JPEG within a TIFF: nobody knows
        ([PNG], replace(PNG, bits=16), ("depth",)),
        ([PNG], replace(PNG, colour=True), ("colour",)),
        ([], PNG, ()),
    ],
)
def test_in_what_a_picture_differs(usual, new, topics):
    assert Likeness(usual).differs(new) == topics
    assert tuple(Likeness(usual).lines([("a.png", new)])) == topics


def test_a_line_counts_and_names_both_sides():
    usual = Likeness([JPEG, replace(JPEG, quality=70), replace(JPEG, width=800, height=600)])
    new = [(f"{number}.png", replace(JPEG, width=100 + number, quality=20 + number)) for number in range(5)]
    lines = usual.lines([("usual.jpg", JPEG), *new])
    assert lines["size"] == (
        "5 of 6 pictures differ in size from those the bundle was made of (100 to 104 x 480 to 480 px, there "
        "640 x 480 px or 800 x 600 px): 0.png, 1.png, 2.png and 2 more; its promise holds for pictures like those"
    )
    assert "(JPEG of quality 20 to 24, there JPEG of quality 70 to 90)" in lines["compression"]
    one = usual.lines([("usual.jpg", JPEG), ("deep.png", replace(JPEG, bits=16))])
    assert one["depth"].startswith(
        "1 of 2 pictures differs in depth from those the bundle was made of (16 bits, there 8"
    )
