"""One text under one model or two: log-probabilities, ranks, entropies, divergences, in chunks of positions.

head (hidden states to numbers) -> score (one model), compare (two); results is what they return.
"""
