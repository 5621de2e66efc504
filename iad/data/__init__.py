"""Pictures: where they come from, how they are listed, and how they become arrays."""
