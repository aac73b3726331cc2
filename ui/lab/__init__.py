"""Panels of the information lab, and what they share.

panel          what every panel is made of
live_controls  sliders and bars that speak while they are dragged
simulations    simulations, kept
distributions  panel: KL of two discrete distributions
real_pair      part of it: P and Q as two models predict them
gaussians      panel: KL of two Gaussians
entropies      panel: the entropy of a sample
mutual         panel: mutual information by every estimator
perplexity     panel: from KL to perplexity on a model
neurons        panel: a model's neurons on a text
model_pair     two loaded models after the same words
"""
