"""The page of a study as HTML: one file without script, which asks the network for nothing; it prints on one page."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from iad.acceptance.sheet import SIGNED, Sheet


def as_html(sheet: Sheet) -> str:
    """The page as text; whatever names are in it stay text."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    text = template.render(sheet=sheet, signed=SIGNED)
    return text.encode("utf-8", "replace").decode()  # a file's name may hold halves of characters
