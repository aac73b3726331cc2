"""Panels of the information lab, one module each, and what they share."""
