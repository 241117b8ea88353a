"""The errors that a user can mend. The command line says each in one line; any other error is a fault and shows itself.

    ScdpoError
    ├── SettingsError       a setting, recipe, method or model that does not fit (also a ValueError)
    ├── MissingFileError    a file or folder that is not there (also a FileNotFoundError)
    ├── RunError            a run folder that cannot be read, written or gone on with
    │   ├── ResultError     an evaluation's file that is none
    │   └── ReportError     a run that no report can be made of
    ├── ProblemSourceError  problems that cannot be loaded (also a ValueError)
    │   └── BenchmarkError  a benchmark that is not known, or whose file is not there
    └── EngineError         a model that cannot be served

``sandbox`` and ``verifier`` stand below this package and have roots of their own: ``sandbox.SandboxError`` and
``verifier.errors.VerifierError``.
"""

from __future__ import annotations


class ScdpoError(Exception):
    """The root of the errors that ``scdpo`` and ``eval`` raise for what a user can mend."""


class SettingsError(ScdpoError, ValueError):
    """A setting, recipe, method or model that does not fit; the message names it and the mend."""


class MissingFileError(ScdpoError, FileNotFoundError):
    """A file or folder that is not there; the message says what makes it."""
