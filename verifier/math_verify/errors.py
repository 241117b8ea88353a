"""The error that callers of Math-Verify catch."""


class TimeoutException(BaseException):  # Math-Verify's name, and its base
    """Never raised here: a comparison over its time gives False."""
