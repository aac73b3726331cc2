"""Evaluations as kept runs: planned, computed batch by batch, stopped, resumed, reopened.

planning    what a run is asked to do, and the id that follows from it
batches     where finished batches go: nowhere, or into the store
store       the runs of this machine
store_file  the file they are in: opened, checked, set aside if damaged
"""
