"""SandboxFusion's two routes: its field names, its statuses, a session a request."""

from __future__ import annotations

from typing import Any


def run_code(http: Any, code: str, **fields: Any) -> dict[str, Any]:
    reply = http.post("/run_code", json={"code": code, "language": "python", **fields})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_a_program_gives_its_output_and_its_return_code(http):
    found = run_code(http, "print(6 * 7)")
    assert found["status"] == "Success"
    assert found["run_result"]["status"] == "Finished"
    assert (found["run_result"]["return_code"], found["run_result"]["stdout"]) == (0, "42\n")
    assert found["run_result"]["execution_time"] > 0


def test_a_program_that_raises_has_failed_with_the_error_on_stderr(http):
    found = run_code(http, "1 / 0")
    assert (found["status"], found["run_result"]["return_code"]) == ("Failed", 1)
    assert "ZeroDivisionError" in found["run_result"]["stderr"]


def test_a_program_that_takes_too_long_is_over_its_time(http):
    found = run_code(http, "while True: pass", run_timeout=0.3)
    assert (found["status"], found["run_result"]["status"]) == ("Failed", "TimeLimitExceeded")


def test_a_program_that_dies_has_failed(http):
    found = run_code(http, "import os; os._exit(3)")
    assert (found["status"], found["run_result"]["return_code"]) == ("Failed", -9)


def test_nothing_stays_from_one_request_to_the_next(http):
    run_code(http, "x = 1")
    assert "NameError" in run_code(http, "print(x)")["run_result"]["stderr"]


def test_what_is_not_offered_is_said_so(http):
    for fields in ({"language": "cpp"}, {"files": {"a": "YQ=="}}, {"stdin": "1"}):
        found = run_code(http, "print(1)", **fields)
        assert found["status"] == "SandboxError"
        assert "not offered" in found["message"]


def test_cells_share_a_kernel_and_give_streams_displays_and_errors(http):
    cells = ["a = 123", "a", "print(a)", "raise RuntimeError('no')", "a + 1"]
    found = http.post("/run_jupyter", json={"cells": cells, "total_timeout": 20}).json()
    assert (found["status"], found["driver"]["status"]) == ("Success", "Finished")
    assert [cell["stdout"] for cell in found["cells"]] == ["", "", "123\n", "", ""]
    assert found["cells"][1]["display"] == [{"text/plain": "123"}]
    assert found["cells"][3]["error"][0]["ename"] == "RuntimeError"
    assert found["cells"][4]["display"] == [{"text/plain": "124"}]


def test_a_cell_over_its_time_ends_the_request(http):
    body = {"cells": ["a = 1", "while True: pass", "a"], "cell_timeout": 0.3}
    found = http.post("/run_jupyter", json=body).json()
    assert (found["status"], found["driver"]["status"]) == ("Failed", "TimeLimitExceeded")
    assert len(found["cells"]) == 1
