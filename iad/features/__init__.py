"""What turns pictures into numbers: the autoencoder and the frozen backbones."""
