"""What the information lab computes: known relations, estimators at work, bias by simulation, models looked into.

The measures themselves are in `engine.measures`; here they meet samples and loaded models.
"""
