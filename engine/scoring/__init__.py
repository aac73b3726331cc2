"""One text under one model or two, in chunks of positions.

score         one model: log-probabilities, ranks, entropies
compare       two models on one text
head          from hidden states to the numbers of each position
divergences   KL and JS at each position
vocabularies  whether two models have the same tokens
results       `TextScores` and `ModelComparison`
"""
