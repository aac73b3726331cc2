"""Parts of the page "Good enough?".

glance_panel        small against large in one table
divergence_panel    KL over a corpus
divergence_numbers  every number of its table, and the tokens it opens to
hellaswag_panel     HellaSwag for two models
mauve_panel         MAUVE: which texts, which models
mauve_scores        its numbers, charts and texts
past_runs_panel     kept runs: listed, opened, exported, deleted
own_data            texts and items that a person gives
runs                what the server holds: the store, the runs at work
panel               what the panels of all evaluations have in common
panels              the panel of each evaluation, in order
"""
