"""Models judged over many texts: divergence over a corpus, HellaSwag, MAUVE, and the store that keeps their runs."""
