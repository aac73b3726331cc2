"""Evaluations as kept runs: planned, computed batch by batch, stopped, resumed, reopened.

plans       what a run is asked to do
runner      doing it, and reading its result back without a model
batches     where finished batches go: nowhere, or into the store
store       the runs of this machine
store_file  the file they are in: opened, checked, set aside if damaged
drivers     runs that share the queue with everything else
"""
