"""Texts and their tokens.

texts      what can be scored, and uploaded bytes as text
encodings  which older encoding bytes look like
tokens     a text as tokens with exact spans, and back
windows    how a text longer than the context is read
alignment  two tokenizations on common spans
"""
