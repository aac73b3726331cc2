"""Long work of one process.

queue    one thread through which work goes in the order it was asked for
results  the results of the last jobs, within a limit of bytes
pace     how far a job is, how fast, and how much longer it takes, over all its stages
once     what there is one of in a process: models, queues, stores
"""
