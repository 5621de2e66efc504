"""Pictures over HTTP: the server and who asks it."""
