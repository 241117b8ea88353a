"""The errors that a caller of the verifier can mend. No text to verify ever raises one.

VerifierError
├── JudgeError    a judge that cannot be asked, or is not to be trusted
├── LineError     a line of a file that cannot be read (also a ValueError)
├── ServiceError  a service that refused a request, or could not be reached
└── WorkerError   a worker process that gave no answer
"""

from __future__ import annotations


class VerifierError(Exception):
    """The root of the verifier's errors."""
