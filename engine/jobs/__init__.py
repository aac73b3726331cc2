"""Long work of one process: a queue through which all of it goes."""
