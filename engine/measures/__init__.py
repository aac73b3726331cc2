"""Measures of information on arrays: entropy, divergence, mutual information, and how well samples estimate them.

Everything is in nats (natural logarithm); `to_bits` converts for display. Probabilities are checked, never
silently renormalised. Nothing here knows about models or pages: a notebook needs numpy arrays only.

    checks              what may come in, and the sentence a person reads when it may not
    discrete            entropy, cross-entropy, KL, JS, perplexity of probability vectors; the chain between them
    gaussian            the same for Gaussians: closed form, integral, sampling, fits under either direction
    binning             cutting samples into bins
    entropy_estimates   entropy of counts: plug-in, Miller-Madow, and the naive epsilon form with its error
    mutual_information  of labels, of a joint table, of continuous samples by four estimators
    pairwise            mutual information of all pairs of many columns at once

>>> from engine import measures
>>> p, q = [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]
>>> round(float(measures.kl_divergence(p, q)), 10)
0.2007768011
"""

from engine.measures.binning import BIN_COUNT_RULES, BinRule, bin_codes, bin_edges, suggested_bins
from engine.measures.discrete import (
    bregman_divergence,
    cross_entropy,
    entropy,
    js_distance,
    js_divergence,
    kl_divergence,
    kl_divergence_of_logs,
    kl_terms,
    perplexity,
    softmax,
)
from engine.measures.entropy_estimates import (
    entropy_of_counts,
    entropy_with_epsilon,
    miller_madow_entropy,
)
from engine.measures.gaussian import (
    Approximation,
    Gaussian,
    Mixture,
    fit_mode_covering,
    fit_mode_seeking,
    gaussian_entropy,
    gaussian_kl,
    gaussian_kl_monte_carlo,
    gaussian_kl_quadrature,
    gaussian_kl_to_standard,
    gaussian_mutual_information,
)
from engine.measures.mutual_information import (
    first_order_bias,
    histogram_mutual_information,
    miller_madow_mutual_information,
    mutual_information,
    mutual_information_of_joint,
    nearest_neighbour_mutual_information,
    shuffled_mutual_information,
)
from engine.measures.pairwise import pairwise_mutual_information, pairwise_mutual_information_steps
from engine.units import to_bits

__all__ = [
    "BIN_COUNT_RULES",
    "Approximation",
    "BinRule",
    "Gaussian",
    "Mixture",
    "bin_codes",
    "bin_edges",
    "bregman_divergence",
    "cross_entropy",
    "entropy",
    "entropy_of_counts",
    "entropy_with_epsilon",
    "first_order_bias",
    "fit_mode_covering",
    "fit_mode_seeking",
    "gaussian_entropy",
    "gaussian_kl",
    "gaussian_kl_monte_carlo",
    "gaussian_kl_quadrature",
    "gaussian_kl_to_standard",
    "gaussian_mutual_information",
    "histogram_mutual_information",
    "js_distance",
    "js_divergence",
    "kl_divergence",
    "kl_divergence_of_logs",
    "kl_terms",
    "miller_madow_entropy",
    "miller_madow_mutual_information",
    "mutual_information",
    "mutual_information_of_joint",
    "nearest_neighbour_mutual_information",
    "pairwise_mutual_information",
    "pairwise_mutual_information_steps",
    "perplexity",
    "shuffled_mutual_information",
    "softmax",
    "suggested_bins",
    "to_bits",
]
