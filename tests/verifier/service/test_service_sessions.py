"""Sessions over HTTP keep their state, fork, expire, and stay within their number."""

from __future__ import annotations

import threading
import time

import pytest


@pytest.fixture
def session(http):
    reply = http.post("/v1/sessions", json={})
    assert reply.status_code == 201, reply.text
    path = f"/v1/sessions/{reply.json()['id']}"
    yield path
    http.delete(path)


def run(http, path: str, code: str) -> dict:
    reply = http.post(f"{path}/cells", json={"code": code})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_variables_stay_between_cells(http, session):
    assert run(http, session, "x = 2**10")["output"] == ""
    found = run(http, session, "x + 1")
    assert (found["status"], found["output"], found["state_lost"]) == ("ok", "1025", False)


def test_an_exception_is_a_result(http, session):
    found = run(http, session, "1/0")
    assert (found["status"], found["error"]) == ("error", "ZeroDivisionError: division by zero")


def test_a_dead_session_says_so(http, session, assert_problem):
    assert run(http, session, "import os; os._exit(3)")["state_lost"]
    assert run(http, session, "1")["state_lost"]
    assert_problem(http.post(f"{session}/fork", json={}), 409, "session_closed")


def test_output_of_any_kind_comes_back(http, session):
    found = run(http, session, r"print('\ud800 \x00 \x1b[31m é 数 😀')")
    assert "é 数 😀" in found["output"]


def test_a_fork_goes_its_own_way(http, session):
    run(http, session, "x = [1]")
    reply = http.post(f"{session}/fork", json={"count": 2})
    assert reply.status_code == 201
    copies = [f"/v1/sessions/{s['id']}" for s in reply.json()["sessions"]]
    assert len(copies) == 2
    run(http, session, "x.append(2)")
    assert [run(http, copy, "x")["output"] for copy in copies] == ["[1]", "[1]"]
    assert run(http, session, "x")["output"] == "[1, 2]"
    for copy in copies:
        assert http.delete(copy).status_code == 204


def test_a_closed_session_is_gone(http, session, assert_problem):
    assert http.delete(session).status_code == 204
    assert_problem(http.delete(session), 404, "no_such_session")
    assert_problem(http.post(f"{session}/cells", json={"code": "1"}), 404, "no_such_session")


def test_one_cell_at_a_time(http, service, session, assert_problem):
    def sleep() -> None:
        with service.client() as other:
            run(other, session, "import time; time.sleep(1.5)")

    thread = threading.Thread(target=sleep)
    thread.start()
    time.sleep(0.5)
    refused = http.post(f"{session}/cells", json={"code": "1"})
    thread.join()
    assert_problem(refused, 409, "session_busy")
    assert run(http, session, "1")["output"] == "1"


def test_a_busy_cell_holds_up_no_check(http, service, session):
    def spin() -> None:
        with service.client() as other:
            other.post(f"{session}/cells", json={"code": "while True: pass"})

    thread = threading.Thread(target=spin)
    thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    assert http.post("/v1/verify", json={"prediction": "1", "gold": "1"}).json()["correct"]
    assert time.monotonic() - started < 2
    assert http.delete(session).status_code == 204
    thread.join(timeout=4)
    assert not thread.is_alive()


def test_sessions_over_the_limit_are_refused_and_idle_ones_expire(http, assert_problem):
    opened = []
    while (reply := http.post("/v1/sessions", json={})).status_code == 201:
        opened.append(reply.json()["id"])
        assert len(opened) <= 6
    assert_problem(reply, 429, "sessions_full")
    assert int(reply.headers["retry-after"]) > 0
    assert_problem(http.post(f"/v1/sessions/{opened[0]}/fork", json={"count": 3}), 429, "sessions_full")
    for _ in range(100):
        if http.get("/healthz").json()["sessions"] == 0:
            break
        time.sleep(0.1)
    assert_problem(http.post(f"/v1/sessions/{opened[0]}/cells", json={"code": "1"}), 404, "no_such_session")
    assert "scdpo_sessions_expired_total" in http.get("/metrics").text
