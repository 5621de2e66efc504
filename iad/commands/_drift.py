"""Options of commands that test parts as they come."""

from __future__ import annotations

from typing import Annotated

import typer

AlarmRate = Annotated[
    float, typer.Option(min=1e-9, max=0.5, help="Share of whole runs that may end in a false alarm of drift.")
]
Defects = Annotated[float, typer.Option(min=0, max=0.5, help="Share of parts that may be defective without an alarm.")]
