"""Models judged over many texts and questions, batch by batch, each result kept.

evaluation     what an evaluation is, and what it gets to work with
kinds          the evaluations there are
divergence     KL over a corpus; the package is the evaluation itself, as are the next two
hellaswag      questions with four endings
mauve          how far two sets of texts are apart
corpora        texts to evaluate on, out of any usual form of file
files          texts and items out of files that a notebook or a command names
runs           the store of runs: planned, kept batch by batch, reopened
runner         doing a kept run, from the start or from where it stopped
drivers        runs that share the queue with everything else
glance         all measures of a pair of models in one table
row            a line of it
hidden_states  forward passes beside the usual one: packed rows, padded batches
statistics     two models over a corpus, as llama.cpp defines it, with intervals over texts
estimates      a number with its standard errors
resampling     a bootstrap over texts
"""
