"""Reconstruction error of a convolutional autoencoder."""
