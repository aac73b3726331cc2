"""Training a model to like some tokens, and measuring what that costs.

    schema.py     settings declared once, and dataclasses read from JSON
    config.py     what a run is asked to do, checked
    presets.py    runs known to work, and what to watch for in them
    patterns.py   which tokens of a vocabulary are wanted
    vocabulary.py the tokens of a start model, and which of them are no text
    losses.py     the target distribution and the divergences
    starting.py   the network a run starts from, on a private copy
    real_text.py  fixed real text, the start model's view of it, and measurements on it
    objective.py  what is minimised, batch by batch
    sampling.py   a few sampled tokens, counted
    guard.py      when a run has run away
    loop.py       the run itself, step by step
    records.py    where a run stands and what it leaves behind, as plain values
    saving.py     the trained model as files
    process.py    the run in a process of its own, spoken to in JSON lines
    supply.py     where such processes come from, one kept ready
    job.py        one such process seen from the server
    jobs.py       all of a server: the queue, and who is looking

`losses`, `starting`, `real_text`, `objective`, `sampling`, `guard` and `loop` import torch; nothing else does until it
is used, so that pages, the command line and `import engine` stay quick.
"""
