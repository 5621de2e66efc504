"""A fitted method as a file, and what can be done with one: inspect pictures, take more in, merge.

It stands before `iad.config`, since a line computer has no `params.yaml`.
"""
