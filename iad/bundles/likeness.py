"""Whether new pictures are taken and saved as those that a bundle was made of; else its promise is of other pictures.

Backbones see how sharp a picture is: pictures of another size or stronger compression get other scores although their
parts are as good. No score is changed; a line names the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from iad.data.pictures import Look
from iad.words import named, of_them

ALIKE_SIZE = 0.05  # share by which width and height may differ from those of some picture of the bundle
ALIKE_QUALITY = 10  # the same of the quality of a JPEG
FEW = 3  # sizes that are told one by one


class Likeness:
    """What the pictures of a bundle look like, to compare others with.

    Args:
        looks: of the bundle's pictures.

    >>> usual = Likeness([Look(256, 256, "lossless", 0, False, 8)])
    >>> usual.differs(Look(64, 64, "lossless", 0, False, 8)), usual.differs(Look(256, 260, "memory", 0, False, 8))
    (('size',), ())
    """

    def __init__(self, looks: Iterable[Look]) -> None:
        self.looks = tuple(dict.fromkeys(looks))
        self._coded = [one for one in self.looks if one.coding != "memory"]

    def differs(self, look: Look) -> tuple[str, ...]:
        """In what a picture is unlike every picture of the bundle: keys of `TOPICS`."""
        if not self.looks:
            return ()
        alike = {
            "size": any(_close(look.width, one.width) and _close(look.height, one.height) for one in self.looks),
            "compression": look.coding == "memory" or not self._coded or any(_coded(look, it) for it in self._coded),
            "colour": any(look.colour == one.colour for one in self.looks),
            "depth": any(look.bits == one.bits for one in self.looks),
        }
        return tuple(topic for topic, found in alike.items() if not found)

    def lines(self, pictures: Sequence[tuple[str, Look]]) -> dict[str, str]:
        """A line for each topic in which some of these pictures, by name, are unlike those of the bundle, by topic.

        >>> usual = Likeness([Look(256, 256, "lossless", 0, False, 8)])
        >>> usual.lines([("a.png", Look(64, 64, "lossless", 0, False, 8))])["size"][:78]
        'the picture differs in size from those the bundle was made of (64 x 64 px, the'
        """
        topics = [self.differs(look) for _, look in pictures]
        found = {
            topic: [one for one, differing in zip(pictures, topics, strict=True) if topic in differing]
            for topic in TOPICS
        }
        return {topic: _line(topic, some, len(pictures), self.looks) for topic, some in found.items() if some}


def _line(topic: str, some: Sequence[tuple[str, Look]], total: int, usual: Sequence[Look]) -> str:
    tell = TOPICS[topic]
    here, there = tell([look for _, look in some]), tell(usual)
    who = of_them(len(some), total, "picture differs", "pictures differ")
    names = named([name for name, _ in some], FEW)
    return (
        f"{who} in {topic} from those the bundle was made of ({here}, there {there}): {names}; its promise holds for "
        "pictures like those"
    )


def _close(one: int, other: int) -> bool:
    return abs(one - other) <= ALIKE_SIZE * other


def _coded(look: Look, other: Look) -> bool:
    known = look.quality and other.quality  # else a quality is not known
    return look.coding == other.coding and (not known or abs(look.quality - other.quality) <= ALIKE_QUALITY)


def _sizes(looks: Sequence[Look]) -> str:
    sizes = sorted({(one.width, one.height) for one in looks})
    if len(sizes) <= FEW:
        return " or ".join(f"{width} x {height} px" for width, height in sizes)
    widths, heights = zip(*sizes, strict=True)
    return f"{min(widths)} to {max(widths)} x {min(heights)} to {max(heights)} px"


def _codings(looks: Sequence[Look]) -> str:
    told = []
    for coding in dict.fromkeys(one.coding for one in looks):
        quality = sorted({one.quality for one in looks if one.coding == coding and one.quality})
        span = f"{quality[0]}" if len(quality) == 1 else f"{quality[0]} to {quality[-1]}" if quality else ""
        told.append(f"{coding} of quality {span}" if span else coding)
    return " or ".join(told)


def _colours(looks: Sequence[Look]) -> str:
    return " or ".join(dict.fromkeys("colour" if one.colour else "grey" for one in looks))


def _depths(looks: Sequence[Look]) -> str:
    return " or ".join(f"{bits} bits" for bits in dict.fromkeys(one.bits for one in looks))


TOPICS = {"size": _sizes, "compression": _codings, "colour": _colours, "depth": _depths}
"""In what pictures may differ, and how that is told of some of them."""
