"""Charts of the information lab. P is drawn in model A's colour, Q in model B's.

look        what these charts have in common
discrete    two discrete distributions
gaussian    two Gaussians, and one fitted to two peaks
entropy     entropy of a sample and its bias
mutual      mutual information by every estimator
perplexity  from KL to perplexity, and temperature
neurons     a model's neurons
"""
