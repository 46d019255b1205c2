"""How workers and the server meet. An engine only moves bytes; server, worker and methods are the same in all."""
