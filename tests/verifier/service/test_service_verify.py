"""The verify routes say what the library says."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from verifier import verify

KEY = "a-key-for-tests-only"


def post(http: httpx.Client, path: str, body: object) -> dict:
    response = http.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_verdict_is_the_librarys(http):
    for prediction, gold in (
        (r"\boxed{\frac12}", "0.5"),
        ("答案是 3", "4"),
        ("I cannot say.", "7"),
        ("1", ""),
    ):
        found = post(http, "/v1/verify", {"prediction": prediction, "gold": gold})
        expected = verify(prediction, gold).to_dict()
        assert {**found, "seconds": 0} == {**expected, "seconds": 0}


def test_numbers_and_null_mean_what_they_mean_in_the_library(http):
    for prediction, gold in (
        (4, "4"),
        ("1/2", 0.5),
        (None, "1"),
        ("1", None),
        (True, "true"),
        ("1", ["2", 1]),
    ):
        found = post(http, "/v1/verify", {"prediction": prediction, "gold": gold})
        assert {**found, "seconds": 0} == {**verify(prediction, gold).to_dict(), "seconds": 0}


def test_a_bad_item_costs_the_others_nothing(http):
    good = {"prediction": "1/2", "gold": "0.5"}
    items = [good, {"prediction": 3}, "3", {**good, "rounding": "loose"}, {**good, "gold": {"a": 1}}, good]
    verdicts = post(http, "/v1/verify/batch", {"items": items})["verdicts"]
    assert [v["status"] for v in verdicts] == ["correct"] + ["unverifiable"] * 4 + ["correct"]
    assert verdicts[1]["reason"] == "not checked: #/gold: Field required"


def test_rounding_is_passed_on(http):
    body = {"prediction": r"\boxed{0.333}", "gold": r"\frac{1}{3}"}
    assert not post(http, "/v1/verify", body)["correct"]
    assert post(http, "/v1/verify", {**body, "rounding": "sigfigs"})["correct"]


def test_a_batch_comes_in_order(http):
    items = [{"prediction": str(n % 3), "gold": "1"} for n in range(50)]
    verdicts = post(http, "/v1/verify/batch", {"items": items})["verdicts"]
    assert [v["correct"] for v in verdicts] == [n % 3 == 1 for n in range(50)]


def test_an_empty_batch_is_fine(http):
    assert post(http, "/v1/verify/batch", {"items": []}) == {"verdicts": []}


def test_a_batch_over_its_limit_is_refused(http, assert_problem):
    items = [{"prediction": "1", "gold": "1"}] * 201
    problem = assert_problem(http.post("/v1/verify/batch", json={"items": items}), 422, "invalid_body")
    assert "200" in problem["detail"]
    assert problem["errors"] == [{"pointer": "#/items", "detail": "a batch may have 200 items"}]


BLOCKS = [
    {"type": "code", "content": "print(6 * 7)"},
    {"type": "execution", "content": "42"},
    {"type": "text", "content": r"So it is \boxed{42}."},
]


def test_a_solution_is_run_again(http):
    found = post(http, "/v1/verify/solution", {"blocks": BLOCKS, "gold": "42", "execute": True})
    assert (found["correct"], found["clean"], found["reproduces"], found["source"]) == (
        True,
        True,
        True,
        "boxed",
    )


def test_a_forged_output_is_found(http):
    forged = [BLOCKS[0], {"type": "execution", "content": "41"}, BLOCKS[2]]
    found = post(http, "/v1/verify/solution", {"blocks": forged, "gold": "42", "execute": True})
    assert (found["correct"], found["reproduces"], found["first_difference"]) == (True, False, 0)


def test_code_is_not_run_unless_asked_for(http):
    found = post(http, "/v1/verify/solution", {"blocks": BLOCKS, "gold": "42"})
    assert found["reproduces"] is None


def test_a_solution_may_be_text(http):
    text = "```python\nprint(6 * 7)\n```\n```output\n42\n```\nSo it is $\\boxed{42}$."
    found = post(http, "/v1/verify/solution", {"text": text, "gold": "42", "execute": True})
    assert (found["correct"], found["reproduces"]) == (True, True)


def test_code_that_never_ends_counts_as_a_difference(http):
    endless = [
        {"type": "code", "content": "while True: pass"},
        {"type": "execution", "content": "1"},
        BLOCKS[2],
    ]
    started = time.monotonic()
    found = post(http, "/v1/verify/solution", {"blocks": endless, "gold": "42", "execute": True})
    assert (found["reproduces"], found["first_difference"]) == (False, 0)
    assert time.monotonic() - started < 6


def test_text_and_blocks_together_are_refused(http, assert_problem):
    for body in ({"gold": "1"}, {"gold": "1", "text": "1", "blocks": []}):
        problem = assert_problem(http.post("/v1/verify/solution", json=body), 422, "invalid_body")
        assert problem["title"] == "Unprocessable Content"
        assert problem["errors"][0]["detail"] == "give either text or blocks"


def test_a_check_that_takes_long_holds_up_no_other(keyed):
    """A stopped worker stands for a costly input: with one worker, the next request is answered all the same."""
    body = {"prediction": "2", "gold": "2.0"}
    with keyed.client(KEY) as http, ThreadPoolExecutor(1) as threads:
        wait_for_workers(http, keyed)
        for worker in keyed.workers():
            os.kill(worker, signal.SIGSTOP)
            costly = threads.submit(keyed_post, keyed, body)
            time.sleep(0.4)
            if not costly.done():  # this was the worker that took it
                assert post(http, "/v1/verify", body)["correct"]
                assert not costly.done()
                break
            os.kill(worker, signal.SIGCONT)
        assert costly.result()["status"] == "unverifiable"
        assert "scdpo_checks_moved_total 0.0" not in http.get("/metrics").text


def test_a_check_that_used_up_its_processor_time_is_unverifiable(keyed):
    """The kernel's signal is sent by hand: no input is known that takes a third of a second."""
    with keyed.client(KEY) as http, ThreadPoolExecutor(1) as threads:
        wait_for_workers(http, keyed)
        for worker in keyed.workers():
            os.kill(worker, signal.SIGSTOP)
        costly = threads.submit(keyed_post, keyed, {"prediction": "2", "gold": "2.0"})
        time.sleep(0.4)
        for worker in keyed.workers():
            os.kill(worker, signal.SIGPROF)
            os.kill(worker, signal.SIGCONT)
        assert costly.result()["reason"] == "over the time limit of 0.3 s"
        wait_for_workers(http, keyed)


def test_a_check_over_its_hard_limit_is_unverifiable(keyed):
    with keyed.client(KEY) as http:
        wait_for_workers(http, keyed)
        for worker in keyed.workers():
            os.kill(worker, signal.SIGSTOP)
        started = time.monotonic()
        found = post(http, "/v1/verify", {"prediction": "2", "gold": "2.0"})
        assert found["status"] == "unverifiable"
        assert "over the time limit of 0.3 s" in found["reason"]
        assert (
            time.monotonic() - started < 15
        )  # twenty times as long: a busy machine gives a check little at once
        wait_for_workers(http, keyed)
        assert post(http, "/v1/verify", {"prediction": "2", "gold": "2.0"})["correct"]


def test_a_worker_that_dies_is_replaced(keyed):
    with keyed.client(KEY) as http:
        wait_for_workers(http, keyed)
        for worker in keyed.workers():
            os.kill(worker, signal.SIGKILL)
        found = post(http, "/v1/verify", {"prediction": "2", "gold": "2.0"})
        assert (found["status"], found["correct"]) == ("unverifiable", False)
        wait_for_workers(http, keyed)
        assert post(http, "/v1/verify", {"prediction": "2", "gold": "2.0"})["correct"]


def keyed_post(keyed, body: object) -> dict:
    with keyed.client(KEY) as http:
        return post(http, "/v1/verify", body)


def wait_for_workers(http: httpx.Client, keyed) -> None:
    """Wait until both workers take checks."""
    for _ in range(300):
        if "scdpo_workers 2.0" in http.get("/metrics").text:
            return
        time.sleep(0.1)
    raise AssertionError("the workers did not come back")
