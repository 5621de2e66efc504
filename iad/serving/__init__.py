"""What works outside of the pipeline, with the pipeline's own rooms: memory banks as files."""
