"""What the service may use and how it can be reached. Every limit is named here, with the reason beside it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sandbox import Limits

MIN_KEY_CHARS = 16


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Settings of one service process.

    Attributes:
        host: address to listen on. Anything but a loopback address needs ``key``.
        port: TCP port; 0 lets the system choose one, which the log names.
        key: bearer key that callers must send, 16 characters or more, none a space; None on a loopback address only.
        workers: processes for checks (>= 1); a check that takes long moves to one of as many spare processes, so
            that it holds up no short one.
        max_requests: requests in flight at once, waiting ones included (>= 1); further ones are answered 429. Those
            refused for their key or host, and those for ``/healthz``, ``/metrics`` and the API's description, take no
            place.
        queue_seconds: how long a check or an execution may wait for its turn before it is answered 503 (> 0).
        check_seconds: processor time that one check may take; over it the verdict is ``unverifiable`` (> 0). Twenty
            times as long on the clock, on a machine that gives the check no processor, ends it too.
        batch_seconds: hard limit for a batch; what is not reached by then is ``unverifiable`` (> 0).
        max_batch: items in a batch (>= 1).
        max_body_bytes: size of a request's body; larger ones are answered 413 (>= 1024).
        body_seconds: time a caller has to send a body it began; slower ones are answered 408 (> 0).
        max_sessions: sandbox sessions open at once (>= 1); further ones are answered 429.
        session_idle_seconds: a session not used for as long is closed (> 0).
        max_executions: solutions whose code is run at once (>= 1).
        execute_seconds: time for all code blocks of one solution; those not reached count as a difference (> 0).
        drain_seconds: time that requests in flight have to finish when the service is told to end (>= 0).
        limits: bounds on every sandbox session.
        report: a self-contained HTML page, shown at ``/``; None shows the API's description there.
        mcp: whether the Model Context Protocol is spoken at ``/mcp``; needs the ``mcp`` extra.
        isolation: ``auto`` takes the strictest level this machine has; ``none`` is never used.
    """

    host: str = "127.0.0.1"
    port: int = 8321
    key: str | None = field(default=None, repr=False)
    workers: int = 2
    max_requests: int = 512
    queue_seconds: float = 10.0
    check_seconds: float = 5.0
    batch_seconds: float = 60.0
    max_batch: int = 1000
    max_body_bytes: int = 2**20
    body_seconds: float = 10.0
    max_sessions: int = 32
    session_idle_seconds: float = 300.0
    max_executions: int = 4
    execute_seconds: float = 60.0
    drain_seconds: float = 30.0
    limits: Limits = field(default_factory=Limits)
    report: Path | None = None
    mcp: bool = False
    isolation: Literal["auto", "strict", "landlock"] = "auto"

    def __post_init__(self) -> None:
        """Refuse values that could not work, or that would open the service to strangers.

        Raises:
            ValueError: naming the field.
        """
        for name in ("workers", "max_requests", "max_batch", "max_sessions", "max_executions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in (
            "queue_seconds",
            "check_seconds",
            "batch_seconds",
            "body_seconds",
            "session_idle_seconds",
            "execute_seconds",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.drain_seconds < 0:
            raise ValueError(f"drain_seconds must be at least 0, got {self.drain_seconds}")
        if self.max_body_bytes < 1024:
            raise ValueError(f"max_body_bytes must be at least 1024, got {self.max_body_bytes}")
        if self.report is not None and not self.report.parent.is_dir():
            what = "it is a file" if self.report.parent.exists() else "there is no such folder"
            raise ValueError(f"{self.report.parent} is no run folder: {what}")
        if self.report is not None and not self.report.is_file():
            raise ValueError(
                f"there is no report {self.report}; make it with: scdpo report {self.report.parent}"
            )
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 to 65535, got {self.port}")
        if self.isolation not in ("auto", "strict", "landlock"):
            raise ValueError(f"isolation must be auto, strict or landlock, not {self.isolation!r}")
        # A space at an end, or a line break that came with a file, could never be sent back in a header.
        if self.key is not None and not re.fullmatch(rf"[!-~]{{{MIN_KEY_CHARS},}}", self.key):
            raise ValueError(
                f"key (SCDPO_KEY) must be {MIN_KEY_CHARS} ASCII characters or more, without spaces"
            )
        if self.key is None and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} can be reached from other machines and the service runs code: "
                "set a key (SCDPO_KEY), or listen on 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine alone: ``localhost``, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
