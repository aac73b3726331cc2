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

from engine.measures.binning import BIN_COUNT_RULES as BIN_COUNT_RULES
from engine.measures.binning import BinRule as BinRule
from engine.measures.binning import bin_codes as bin_codes
from engine.measures.binning import bin_edges as bin_edges
from engine.measures.binning import suggested_bins as suggested_bins
from engine.measures.discrete import bregman_divergence as bregman_divergence
from engine.measures.discrete import cross_entropy as cross_entropy
from engine.measures.discrete import entropy as entropy
from engine.measures.discrete import js_distance as js_distance
from engine.measures.discrete import js_divergence as js_divergence
from engine.measures.discrete import kl_divergence as kl_divergence
from engine.measures.discrete import kl_divergence_of_logs as kl_divergence_of_logs
from engine.measures.discrete import kl_terms as kl_terms
from engine.measures.discrete import perplexity as perplexity
from engine.measures.discrete import softmax as softmax
from engine.measures.entropy_estimates import entropy_of_counts as entropy_of_counts
from engine.measures.entropy_estimates import entropy_with_epsilon as entropy_with_epsilon
from engine.measures.entropy_estimates import miller_madow_entropy as miller_madow_entropy
from engine.measures.gaussian import Approximation as Approximation
from engine.measures.gaussian import Gaussian as Gaussian
from engine.measures.gaussian import Mixture as Mixture
from engine.measures.gaussian import fit_mode_covering as fit_mode_covering
from engine.measures.gaussian import fit_mode_seeking as fit_mode_seeking
from engine.measures.gaussian import gaussian_entropy as gaussian_entropy
from engine.measures.gaussian import gaussian_kl as gaussian_kl
from engine.measures.gaussian import gaussian_kl_monte_carlo as gaussian_kl_monte_carlo
from engine.measures.gaussian import gaussian_kl_quadrature as gaussian_kl_quadrature
from engine.measures.gaussian import gaussian_kl_to_standard as gaussian_kl_to_standard
from engine.measures.gaussian import gaussian_mutual_information as gaussian_mutual_information
from engine.measures.mutual_information import first_order_bias as first_order_bias
from engine.measures.mutual_information import histogram_mutual_information as histogram_mutual_information
from engine.measures.mutual_information import miller_madow_mutual_information as miller_madow_mutual_information
from engine.measures.mutual_information import mutual_information as mutual_information
from engine.measures.mutual_information import mutual_information_of_joint as mutual_information_of_joint
from engine.measures.mutual_information import (
    nearest_neighbour_mutual_information as nearest_neighbour_mutual_information,
)
from engine.measures.mutual_information import shuffled_mutual_information as shuffled_mutual_information
from engine.measures.pairwise import pairwise_mutual_information as pairwise_mutual_information
from engine.measures.pairwise import pairwise_mutual_information_steps as pairwise_mutual_information_steps
from engine.units import to_bits as to_bits
