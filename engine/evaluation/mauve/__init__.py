"""MAUVE: how far two crowds of texts are apart, one of which a model may have written."""
