"""Texts to evaluate on, from a file or a paste of any usual form."""
