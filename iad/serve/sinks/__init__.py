"""Where verdicts go beside the log and the screen: a web address, a message broker, a plant's control system."""
