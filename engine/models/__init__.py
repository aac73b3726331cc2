"""Models: the list of them, where and how they fit, loading and its proofs, one copy of each per process.

registry (names) -> loading -> loaded (`LoadedModel`); network, proofs, opening and checkpoint say what a loaded network
is and which shortcuts it has proved; hardware and footprint where it fits; pool holds the loaded ones.
"""
