"""The parts of the divergence page."""
