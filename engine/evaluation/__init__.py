"""Measures over a corpus: KL, HellaSwag and MAUVE, each kept batch by batch.

corpora/ reads texts; divergence/, hellaswag/ and mauve/ are the three kinds; runs/ plans, keeps, resumes and reopens
them; estimates, resampling and statistics hold what their errors and intervals have in common; glance sets small beside
large.
"""
