"""The report as one page for the browser, that needs no network."""
