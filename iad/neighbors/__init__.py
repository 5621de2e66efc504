"""Vectors to neighbours: exact search, with proven bounds on what a cheap product may miss."""
