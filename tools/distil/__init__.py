"""The recipe of gpt2-mini: a small GPT-2 distilled from the embedded model, on text that this model wrote itself.

`python -m tools.distil --help`; README.md beside this file says what each stage does and what it costs.
"""
