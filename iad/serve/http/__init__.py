"""Pictures over HTTP: the server and who asks it."""

KEY = "IAD_API_KEY"
"""The variable that holds the key, for the server and for those who ask it."""
