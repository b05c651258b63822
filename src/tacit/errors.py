"""Every error that Tacit raises on purpose.

::

    TacitError
    ├── UserError                 the caller can mend it; the command line exits with 2
    │   ├── DataError             a file or frame: names the place (file, row, column) and the mend
    │   ├── OptionError           an option, its value or its name
    │   ├── SchemeError           parts that do not go together, or do not fit the backbone
    │   ├── UnknownId             an external id that the vocabulary does not hold
    │   ├── ArtifactError         a run folder or file that is damaged, cut short or of another version
    │   ├── RunFolderError        a run folder that exists, is locked, or holds another run
    │   ├── StorageError          the disk said no: full, read-only, not there
    │   ├── MissingExtra          an optional package that is not installed
    │   └── Diverged              a loss term became NaN or infinite
    ├── Interrupted               a signal stopped training; the command line exits with 128 + its number
    └── InternalError             a broken promise of ours; the command line exits with 1
"""


class TacitError(Exception):
    """Root of all errors that Tacit raises on purpose."""


class UserError(TacitError):
    """Something the caller can mend; the message says how."""


class DataError(UserError):
    """Bad data. The message names file, row and column where they are known, and the mend.

    Raised by readers, `Interactions`, splits and evaluation.
    """


class OptionError(UserError):
    """A bad option: unknown name, wrong type, value out of range."""


class SchemeError(UserError):
    """An illegal combination of parts and backbone, refused before any training, with the mend."""


class UnknownId(UserError):
    """An external user or item id that the vocabulary does not hold."""


class ArtifactError(UserError):
    """A saved artifact that cannot be trusted: damaged, cut short, or of another format version."""


class RunFolderError(UserError):
    """A run folder that already exists, is locked by another writer, or holds a different run."""


class StorageError(UserError):
    """The operating system refused a read or a write."""


class MissingExtra(UserError):
    """An optional package is not installed; the message names the extra that brings it."""


class Diverged(UserError):
    """A loss term became NaN or infinite; the message names step, term and the last good checkpoint."""


class Interrupted(TacitError):
    """Training was stopped by a signal, of this number; the run folder resumes."""

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


class InternalError(TacitError):
    """A promise inside Tacit was broken."""
