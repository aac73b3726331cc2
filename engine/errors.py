"""Everything the engine raises on purpose.

A message says what happened, the value and its limit, and what to do, in one or two plain sentences: pages and
the command line show it as it is. Anything that is not an `EngineError` is a bug and is not swallowed.

    EngineError
    |-- InputError                 what a person gave cannot be used
    |   |-- TextError              empty, too short, undecodable, lone surrogates, too long for a page
    |   `-- ParameterError         a setting is outside its range, or two settings exclude each other
    |-- ModelError                 a model cannot be obtained or used
    |   |-- UnknownModelError      no such name; the message says which names are near
    |   |-- ModelAbsentError       known, but not on this machine; the message says how to fetch it
    |   |-- UnsupportedModelError  not a causal language model that can be scored here
    |   |-- FetchError             fetching failed
    |   |   |-- UnreachableError   no answer from the hub or the package index
    |   |   |-- AccessError        gated or private (401, 403); a token or an agreement is missing
    |   |   `-- ChecksumError      the bytes are not the ones that were asked for
    |   |-- ModelFilesError        files on this machine are damaged or incomplete
    |   |-- MemoryBudgetError      the model needs more memory than the pool may use
    |   `-- StorageError           the disk is full or cannot be written
    |-- ComparisonError            two results that cannot be set side by side
    |-- MissingPackageError        an optional package is not installed; the message has the pip line
    `-- Cancelled                  the work was stopped because nobody waits for it any more
"""


class EngineError(Exception):
    """Base of every error the engine raises on purpose; its text is fit to show to a user."""


class InputError(EngineError):
    """Something a person gave cannot be used."""


class TextError(InputError):
    """The text is empty, too short, too long, or not text."""


class ParameterError(InputError):
    """A setting is outside its range."""


class ModelError(EngineError):
    """A model cannot be obtained or used."""


class UnknownModelError(ModelError):
    """No model goes by that name."""


class ModelAbsentError(ModelError):
    """The model is known, but its files are not on this machine."""


class UnsupportedModelError(ModelError):
    """The model is not one that can be scored here."""


class FetchError(ModelError):
    """Fetching a model's files failed."""


class UnreachableError(FetchError):
    """The hub or the package index did not answer."""


class AccessError(FetchError):
    """The model is gated or private."""


class ChecksumError(FetchError):
    """The bytes fetched are not the ones that were asked for."""


class ModelFilesError(ModelError):
    """The model's files on this machine are damaged or incomplete."""


class MemoryBudgetError(ModelError):
    """The model needs more memory than may be used."""


class StorageError(ModelError):
    """The disk is full or cannot be written."""


class ComparisonError(EngineError):
    """Two results cannot be set side by side."""


class MissingPackageError(EngineError):
    """An optional package is not installed."""


class Cancelled(EngineError):
    """The work was stopped because nobody waits for it any more."""
