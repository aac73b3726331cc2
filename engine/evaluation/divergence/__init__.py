"""KL and what belongs to it, of two models over the texts of a corpus."""
