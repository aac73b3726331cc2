"""Models: the list of them, where they fit, loading and its proofs, one copy of each per process.

registry    the only list of models; what a name means
hardware    what this machine has, and the device and precision that follow
footprint   how much memory a model will take
loading     from a name to a model that is ready
loaded      `LoadedModel`: what scoring needs of a model
network     what is asked of a network of any family: head, context, blocks
checkpoint  the precision a checkpoint is stored in, and the one it came out in
request     a model as asked for, and as found on this machine
proofs      shortcuts that a network must prove first
opening     which tokens stand in front of a text
pool        the loaded models, within a memory budget
"""
