"""Parts of the page "Train a bias".

settings    the settings of a run, and the `BiasConfig` they make
live        the run as it goes
afterwards  samples before and after, the trade-off, the model to take away
server      what the whole server holds for training
tokens      sampled tokens, the wanted ones marked
wording     gain and cost in words
"""
