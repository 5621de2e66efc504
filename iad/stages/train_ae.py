"""Stage `train_ae`: fit the autoencoder to good pictures."""

from __future__ import annotations


def train_ae() -> None:
    """Train the autoencoder on good pictures."""
    from iad.config import load_params
    from iad.pipeline.training import train_network

    train_network(load_params())
