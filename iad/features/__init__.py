"""Pictures to vectors: frozen backbones, their weights, and the embeddings of pictures and of their patches."""
