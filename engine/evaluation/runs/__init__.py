"""Evaluations as kept runs: planned, computed batch by batch, stopped, resumed, reopened."""
