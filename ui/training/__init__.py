"""The parts of the training page: its jobs, its settings, the live view, and what comes afterwards."""
