"""Texts and their tokens: reading bytes, cutting into tokens with exact spans, windows, aligning two readings."""
