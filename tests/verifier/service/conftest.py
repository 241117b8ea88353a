"""Real service processes on loopback ports that the system chooses."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]
KEY = "a-key-for-tests-only"
PROGRAM = """
import json, sys
from pathlib import Path
from sandbox import Limits
from verifier.service import ServiceSettings, serve
options = json.loads(sys.argv[1])
if "report" in options:
    options["report"] = Path(options["report"])
serve(ServiceSettings(port=0, limits=Limits(**options.pop("limits", {})), **options))
"""


class ServiceProcess:
    """A service in a process of its own, and the lines of its log."""

    def __init__(self, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(options)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.logged("listening")["port"])
        self.url = f"http://127.0.0.1:{self.port}"

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.put(line)

    def logged(self, event: str, seconds: float = 60, **fields: Any) -> dict[str, Any]:
        """Return the next log line with this event and these fields."""
        while True:
            line: dict[str, Any] = json.loads(self.lines.get(timeout=seconds))
            if line["event"] == event and fields.items() <= line.items():
                return line

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def workers(self) -> list[int]:
        """Return the process ids of its check workers, the oldest first: the fast lane, then the slow one."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _parent(folder) == self.process.pid:
                command = (folder / "cmdline").read_bytes()
                if b"verifier.service.worker" in command:
                    found.append(int(folder.name))
        return sorted(found)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(timeout=60)


def _parent(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


@pytest.fixture(scope="session")
def start_service() -> Iterator[Callable[..., ServiceProcess]]:
    """Return a function that starts a service; all are ended after the tests."""
    started: list[ServiceProcess] = []

    def start(**options: Any) -> ServiceProcess:
        started.append(ServiceProcess(**options))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


@pytest.fixture(scope="session")
def service(start_service: Callable[..., ServiceProcess]) -> ServiceProcess:
    """Return a service without a key, with small limits."""
    return start_service(
        max_body_bytes=1_000_000,
        body_seconds=1.0,
        max_batch=200,
        max_sessions=6,
        session_idle_seconds=3.0,
        execute_seconds=2.0,
        limits={"cell_seconds": 5.0},
    )


@pytest.fixture(scope="session")
def keyed(start_service: Callable[..., ServiceProcess]) -> ServiceProcess:
    """Return a service with a key, room for two requests, and one worker that may take a third of a second."""
    return start_service(
        key=KEY,
        workers=1,
        max_requests=2,
        check_seconds=0.3,
        queue_seconds=2.0,
        max_executions=1,
        max_sessions=8,
        session_idle_seconds=5.0,
    )


@pytest.fixture
def http(service: ServiceProcess) -> Iterator[httpx.Client]:
    """Return a client of the service without a key."""
    with service.client() as client:
        yield client


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that a response is the problem document it should be, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


@pytest.fixture(name="assert_problem")
def assert_problem_fixture() -> Callable[[httpx.Response, int, str], dict[str, Any]]:
    """Return the check of problem documents."""
    return assert_problem
