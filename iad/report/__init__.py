"""What a run comes to: tables, galleries and figures."""
