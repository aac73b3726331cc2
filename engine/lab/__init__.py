"""What the information lab computes; the measures themselves are in `engine.measures`.

relations    pairs of variables whose mutual information is known
estimators   every estimator of it on one sample
bias         how far estimates are off on average, by simulation
next_token   one prediction as a distribution over the vocabulary
activations  what single neurons of a model do on a text
neurons      their entropy and mutual information
"""
