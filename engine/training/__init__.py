"""Training a model to like some tokens, and measuring what that costs.

    config.py     what a run is asked to do, checked
    presets.py    runs known to work, and what to watch for in them
    patterns.py   which tokens of a vocabulary are wanted
    vocabulary.py the tokens of a start model, and which of them are no text
    losses.py     the target distribution and the divergences
    starting.py   the network a run starts from, on a private copy
    real_text.py  fixed real text, the start model's view of it, and measurements on it
    sampling.py   a few sampled tokens, counted
    guard.py      when a run has run away
    loop.py       the run itself, step by step
    records.py    what a run leaves behind, as plain values
    process.py    the run in a process of its own, spoken to in JSON lines
    job.py        one such process seen from the server
    jobs.py       all of a server: the queue, who is looking, a process kept ready
    saving.py     the trained model and the curves as files

Only `config`, `presets`, `patterns`, `records` and `jobs` are imported by the pages; they do not import torch.
"""
