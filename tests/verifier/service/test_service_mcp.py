"""The Model Context Protocol, spoken by its own client: over standard input and output, and over HTTP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

pytest.importorskip("mcp", reason="the mcp extra is not installed")

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.verifier.service.conftest import KEY

STDIO = StdioServerParameters(command=sys.executable, args=["-m", "scdpo", "mcp", "--workers", "1"])


def over_stdio(work: Callable[[Client], Awaitable[None]]) -> None:
    async def talk() -> None:
        async with Client(STDIO) as client:
            await work(client)

    asyncio.run(asyncio.wait_for(talk(), 240))


def over_http(url: str, work: Callable[[Client], Awaitable[None]], key: str | None = None) -> None:
    async def talk() -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            async with Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client:
                await work(client)

    asyncio.run(asyncio.wait_for(talk(), 240))


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    reply = await client.call_tool(tool, arguments)
    assert not reply.is_error, reply.content
    found: dict[str, Any] = reply.structured_content
    return found


async def all_three(client: Client) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"python", "fork", "verify"}
    assert tools["python"].input_schema["required"] == ["code"]
    begun = await call(client, "python", code="x = 20\nx + 1")
    assert (begun["status"], begun["output"], begun["state_lost"]) == ("ok", "21", False)
    session = begun["session"]
    (copy,) = (await call(client, "fork", session=session))["sessions"]
    assert (await call(client, "python", code="x += 1; x", session=copy))["output"] == "21"
    assert (await call(client, "python", code="x", session=session))["output"] == "20"
    verdict = await call(client, "verify", prediction=r"It is \boxed{\frac{1}{2}}.", gold="0.5")
    assert (verdict["status"], verdict["correct"]) == ("correct", True)


async def what_goes_wrong(client: Client) -> None:
    raised = await call(client, "python", code="1 / 0")
    assert raised["status"] == "error"
    assert "ZeroDivisionError" in raised["output"]
    unknown = await client.call_tool("python", {"code": "1", "session": "nobody's"})
    assert unknown.is_error
    assert "there is no such session" in unknown.content[0].text
    for wrong in ({"session": raised["session"], "count": 0}, {"count": 1}):
        assert (await client.call_tool("fork", wrong)).is_error
    lost = await call(client, "python", code="import os; os._exit(3)")
    assert (lost["status"], lost["state_lost"]) == ("died", True)
    gone = await client.call_tool("python", {"code": "1", "session": lost["session"]})
    assert gone.is_error or gone.structured_content["state_lost"]
    assert (await call(client, "python", code="2", session=raised["session"]))["output"] == "2"


def test_a_client_uses_all_tools_over_stdio() -> None:
    over_stdio(all_three)


def test_a_client_uses_all_tools_over_http(start_service) -> None:
    over_http(start_service(workers=1, mcp=True).url, all_three)


def test_what_goes_wrong_is_told_to_the_client_and_costs_nobody_else(start_service) -> None:
    over_http(start_service(workers=1, mcp=True).url, what_goes_wrong)


def test_the_limit_on_sessions_holds(start_service) -> None:
    async def two(client: Client) -> None:
        held = (await call(client, "python", code="1"))["session"]
        refused = await client.call_tool("python", {"code": "1"})
        assert refused.is_error
        assert "at most 1 sessions" in refused.content[0].text
        assert (await client.call_tool("fork", {"session": held})).is_error

    over_http(start_service(workers=1, mcp=True, max_sessions=1).url, two)


def test_over_http_the_key_is_asked_for(start_service) -> None:
    service = start_service(workers=1, mcp=True, key=KEY)
    assert httpx.post(f"{service.url}/mcp", json={}).status_code == 401
    over_http(service.url, all_three, key=KEY)


def test_without_a_key_another_host_name_is_refused(start_service, assert_problem) -> None:
    service = start_service(workers=1, mcp=True)
    answer = httpx.post(f"{service.url}/mcp", json={}, headers={"Host": "evil.example"})
    assert_problem(answer, 421, "wrong_host")


def test_the_service_does_not_speak_it_unasked(start_service) -> None:
    service = start_service(workers=1)
    assert httpx.post(f"{service.url}/mcp", json={}).status_code == 404
