"""The life of the process: it drains, exits cleanly, and leaves nothing behind; importing it costs nothing."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import verifier
from verifier.service import ServiceSettings, create_app


def test_a_request_in_flight_is_finished_and_new_ones_are_sent_away(start_service, assert_problem):
    service = start_service(workers=1, drain_seconds=20)
    workers = service.workers()
    with service.client() as http:
        path = f"/v1/sessions/{http.post('/v1/sessions', json={}).json()['id']}"
        answers: list[httpx.Response] = []

        def work() -> None:
            answers.append(http.post(f"{path}/cells", json={"code": "import time; time.sleep(2); 'done'"}))

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.5)
        service.process.terminate()
        time.sleep(0.3)
        with service.client() as other:
            refused = other.post("/v1/verify", json={"prediction": "1", "gold": "1"})
            assert_problem(refused, 503, "draining")
            assert int(refused.headers["retry-after"]) > 0
            assert_problem(other.get("/healthz"), 503, "draining")
        thread.join()
    assert answers[0].json()["output"] == "'done'"
    assert service.process.wait(timeout=20) == 0
    assert service.logged("drained")
    assert service.logged("stopped")
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_a_drain_does_not_take_longer_than_it_may(start_service):
    service = start_service(workers=1, drain_seconds=0.5, limits={"cell_seconds": 30.0})
    with service.client() as http:
        path = f"/v1/sessions/{http.post('/v1/sessions', json={}).json()['id']}"
        thread = threading.Thread(target=_ignore_errors, args=(service, f"{path}/cells"))
        thread.start()
        time.sleep(0.5)
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 6
        thread.join()


def test_a_connection_rests_while_a_model_writes(service):
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    ports = []
    for pause in (0, 6):
        time.sleep(pause)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        ports.append(connection.sock.getsockname()[1])
    assert ports[0] == ports[1]


def test_sessions_stand_back_for_the_service(service):
    with service.client() as client:
        path = f"/v1/sessions/{client.post('/v1/sessions', json={}).json()['id']}"
        code = "import os\nos.getpriority(os.PRIO_PROCESS, 0)"
        assert int(client.post(f"{path}/cells", json={"code": code}).json()["output"]) > 0
        client.delete(path)


@pytest.mark.parametrize("signals", [1, 2])
def test_a_request_that_is_cut_off_is_told_so(start_service, assert_problem, signals):
    service = start_service(workers=1, drain_seconds=1 if signals == 1 else 60, limits={"cell_seconds": 30.0})
    with service.client() as http, ThreadPoolExecutor(1) as threads:
        path = f"/v1/sessions/{http.post('/v1/sessions', json={}).json()['id']}"
        answer = threads.submit(http.post, f"{path}/cells", json={"code": "while True: pass"})
        time.sleep(0.5)
        for _ in range(signals):
            service.process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        assert_problem(answer.result(), 503, "cut_off")
        assert (
            "retry-after" not in answer.result().headers
        )  # it was begun: a client must not send it again unasked
    assert service.logged("request", route="/v1/sessions/{id}/cells")["status"] == 503
    service.process.wait(timeout=20)


def _ignore_errors(service, path: str) -> None:
    try:
        with service.client() as http:
            http.post(path, json={"code": "while True: pass"})
    except httpx.HTTPError:
        return  # being cut off is what the test is about


def test_a_port_that_is_taken_is_an_error(service):
    code = f"from verifier.service import *; serve(ServiceSettings(port={service.port}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.returncode == 1
    assert "Address already in use" in found.stderr


def test_importing_the_verifier_imports_no_web_framework():
    code = "import sys, verifier, verifier.service; assert not {'fastapi', 'uvicorn', 'httpx', 'torch'} & set(sys.modules)"
    root = str(Path(verifier.__file__).parents[1])
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, env={**os.environ, "PYTHONPATH": root}
    )


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "prometheus_client"])
def test_a_missing_extra_is_named_with_its_command(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r'pip install "\.\[serve\]"'):
        create_app(ServiceSettings())
