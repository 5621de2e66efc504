"""The inspection page: for people at the line, served by the same process as `iad serve`; see docs/page.md."""

MISSING = "the inspection page needs the package nicegui; install iad[page] and start the server again\n"
"""What `/` answers where the extra is not installed."""
