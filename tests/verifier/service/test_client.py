"""The clients give the library's types, and say what went wrong."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import psutil
import pytest

from sandbox import Block, CellResult, Solution
from verifier import SolutionVerdict, Verdict, verify
from verifier.client import AsyncClient, Client, ServiceError

SOLUTION = Solution(
    (Block("code", "print(6 * 7)"), Block("execution", "42"), Block("text", r"So it is \boxed{42}."))
)
ROOT = Path(__file__).resolve().parents[3]
KEY = "a-key-for-tests-only"


@pytest.fixture
def client(service):
    with Client(service.url) as client:
        yield client


def test_a_verdict_is_a_verdict(client):
    found = client.verify(r"\boxed{\frac12}", "0.5")
    expected = verify(r"\boxed{\frac12}", "0.5")
    assert type(found) is Verdict
    assert (found.status, found.reason, found.prediction, found.gold) == (
        expected.status,
        expected.reason,
        expected.prediction,
        expected.gold,
    )


def test_many_come_in_order_over_several_batches(client):
    pairs = [(str(n % 7), "3") for n in range(450)] + [("x" * 140_000, "3")] * 2
    found = client.verify_many(pairs)
    assert [v.correct for v in found] == [n % 7 == 3 for n in range(450)] + [False, False]


def test_a_solution_goes_as_blocks_or_text(client):
    found = client.verify_solution(SOLUTION, "42", execute=True)
    assert type(found) is SolutionVerdict
    assert (found.correct, found.clean, found.reproduces) == (True, True, True)
    assert client.verify_solution(SOLUTION.render("mathcoder"), "42").correct


def test_what_is_given_means_the_same_as_in_the_library(client):
    assert client.verify(0.5, r"\frac{1}{2}").correct
    assert client.verify(SOLUTION, 42).correct
    assert client.verify("1", None).status == "unverifiable"
    assert client.verify("1/2", ["3", 0.5]).correct
    assert client.verify("The answer is 1.", "1").strength == "stated"
    assert client.verify("The answer is 1.", "1", require="boxed").status == "unverifiable"
    assert client.verify(None, "1").prediction is None
    with pytest.raises(TypeError, match="gold answer must be text or a number, not dict"):
        client.verify("1", {"a": 1})


def test_a_bad_pair_costs_the_others_nothing(client):
    pairs = [("1", "1"), (b"1", "1"), ("2", "1"), ("1", {"a": 1}), ("3", 3)]
    found = client.verify_many(pairs)
    assert [v.status for v in found] == ["correct", "unverifiable", "incorrect", "unverifiable", "correct"]
    assert found[1].reason == "the prediction must be text or a number, not bytes"
    assert client.verify_many([]) == []


def test_an_address_without_its_scheme_is_refused():
    with pytest.raises(ValueError, match=r"begin with http://.*got '127\.0\.0\.1:8330'"):
        Client("127.0.0.1:8330")


def test_where_nothing_answers_the_error_names_the_address():
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with (
        Client(url) as client,
        pytest.raises(ServiceError, match=f"^{url}/v1/verify: .*is the service running"),
    ):
        client.verify("1", "1")

    async def ask() -> None:
        async with AsyncClient(url) as client:
            with pytest.raises(ServiceError, match="unreachable"):
                await client.verify("1", "1")

    asyncio.run(ask())


def test_a_session_runs_forks_and_closes(client):
    with client.session() as session:
        result = session.run("x = 41\nx + 1")
        assert type(result) is CellResult
        assert (result.output, result.isolation) == ("42", session.isolation)
        (copy,) = session.fork()
        session.run("x = 0")
        assert copy.run("x").output == "41"
        copy.close()
    with pytest.raises(ServiceError) as caught:
        session.run("x")
    assert (caught.value.status, caught.value.code) == (404, "no_such_session")
    assert caught.value.request_id in str(caught.value)


def test_half_a_surrogate_pair_costs_nobody_the_answer(client):
    found = client.verify_many([("\ud800", "1"), ("1", "1"), ("1", "\udfff")])
    assert [v.correct for v in found] == [False, True, False]


def test_the_code_of_the_guide_runs(service):
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    exec(compile(code.replace("http://127.0.0.1:8321", service.url), "docs/service.md", "exec"), {})  # noqa: S102


def test_the_asynchronous_twin_does_the_same(service):
    async def work() -> None:
        async with AsyncClient(service.url) as client:
            assert (await client.verify("1/2", "0.5")).correct
            assert [v.correct for v in await client.verify_many([("1", "1"), ("2", "1")])] == [True, False]
            assert (await client.verify_solution(SOLUTION, "42", execute=True)).reproduces
            assert (await client.health())["status"] == "ok"
            async with await client.session() as session:
                await session.run("x = 41")
                (copy,) = await session.fork()
                assert (await copy.run("x")).output == "41"
                await copy.close()
            with pytest.raises(ServiceError):
                await session.run("x")

    asyncio.run(work())


def test_a_wrong_key_is_an_error(keyed):
    with Client(keyed.url, key="another-key-altogether") as client, pytest.raises(ServiceError) as caught:
        client.verify("1", "1")
    assert caught.value.status == 401
    assert str(caught.value).startswith(f"{keyed.url}/v1/verify: 401 unauthorized")


def test_the_right_key_is_sent(keyed):
    with Client(keyed.url, key=KEY) as client:
        assert client.verify("1", "1").correct


class Scripted(httpx.BaseTransport):
    """Gives prepared answers, in order."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.calls = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return self.answers.pop(0)


def full() -> httpx.Response:
    problem = {"status": 429, "code": "queue_full", "detail": "too many", "request_id": "r1"}
    return httpx.Response(429, headers={"Retry-After": "0", "X-Request-ID": "r1"}, json=problem)


def verdict() -> httpx.Response:
    body = {
        "status": "correct",
        "correct": True,
        "reason": "",
        "prediction": "1",
        "gold": "1",
        "seconds": 0.0,
    }
    return httpx.Response(200, json=body)


def test_a_full_service_is_asked_again():
    transport = Scripted(full(), full(), verdict())
    assert Client("http://test", transport=transport).verify("1", "1").correct
    assert transport.calls == 3


def test_but_not_for_ever():
    transport = Scripted(*(full() for _ in range(9)))
    with pytest.raises(ServiceError) as caught:
        Client("http://test", transport=transport, retries=2).verify("1", "1")
    assert transport.calls == 3
    assert (caught.value.code, caught.value.retry_after) == ("queue_full", 0)


def test_a_failure_is_not_repeated():
    transport = Scripted(httpx.Response(500, text="oops"))
    with pytest.raises(ServiceError) as caught:
        Client("http://test", transport=transport).verify("1", "1")
    assert (caught.value.status, caught.value.code, caught.value.detail) == (500, "http_error", "oops")


@pytest.mark.parametrize("body", ["<html>", "[]", "3", '{"status": "correct"}', '{"verdicts": 1}'])
def test_another_service_is_recognised(body):
    with pytest.raises(ServiceError) as caught:
        Client("http://test", transport=Scripted(httpx.Response(200, text=body))).verify("1", "1")
    assert caught.value.code == "not_the_service"


def test_when_the_service_is_killed_its_sessions_end_and_the_client_is_told(start_service):
    service = start_service(workers=1)
    with Client(service.url, retries=0) as client:
        session = client.session()
        session.run("x = 1")
        started = psutil.Process(service.process.pid).children(recursive=True)
        assert started
        service.process.kill()
        service.process.wait()
        with pytest.raises(ServiceError) as told:
            session.run("x")
    assert told.value.code == "unreachable"
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
