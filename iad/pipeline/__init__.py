"""What stages do between reading and writing artefacts, so that they themselves stay a signature and a call."""
