"""Models judged over many texts and questions, batch by batch, each result kept.

    evaluation    what an evaluation is, and what it gets to work with; kinds lists those there are
    divergence/   KL over a corpus          hellaswag/  questions with four endings        mauve/  crowds of texts
    corpora/      texts out of files; files reads what a notebook or the command line names
    runs/         planning, the store, doing and reopening runs, drivers that share the queue
    glance, row   all measures of a pair of models in one table
    estimates, resampling, statistics, hidden_states    what the evaluations have in common

The package of a kind is the evaluation itself: `divergence.plan(...)` plans a run, `kinds` lists the package.
"""
