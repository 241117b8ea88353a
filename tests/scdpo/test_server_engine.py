"""The server engine against servers that lie, break and come back, on loopback."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scdpo.sampling.engines import Completion, EngineError, Request
from scdpo.sampling.engines.load import EngineChoice, load_engine
from scdpo.sampling.engines.replicas import Replicas
from scdpo.sampling.engines.server import ServerEngine
from scdpo.sampling.engines.vocabulary import Vocabulary

STOP = ("<|endofblock|>", "<|endofmessage|>")
Body = dict[str, Any]


class FakeServer:
    """Speaks the completions protocol; ``troubles`` is what befalls the next requests, first one first."""

    def __init__(self, model: Path, *, port: int = 0, exact: bool = True, slots: int = 1000) -> None:
        self.vocabulary = Vocabulary(model)
        self.troubles: list[str] = []
        self.bodies: list[Body] = []
        self.keys: list[str | None] = []
        self.exact = exact
        self.closed = False
        self.slots = slots
        self.most = self.under_way = 0
        self.write: Callable[[Body], str] = lambda body: f"<|text|>{body['seed']}<|endofblock|>"
        self.refuses: Callable[[Body], bool] = lambda body: False
        self.seconds = 0.0
        self.card: dict[str, Any] = {"id": "tiny", "root": str(model), "max_model_len": 256}
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if fake.closed:
                    self.hang_up()
                else:
                    self.answer(200, {"data": [fake.card]})

            def hang_up(self) -> None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with fake._lock:
                    fake.bodies.append(body)
                    fake.keys.append(self.headers["Authorization"])
                    fake.under_way += 1
                    fake.most = max(fake.most, fake.under_way)
                    trouble = fake.troubles.pop(0) if fake.troubles else ""
                    if fake.under_way > fake.slots:
                        trouble = "429"
                try:
                    time.sleep(fake.seconds)
                    self.reply(body, trouble)
                finally:
                    with fake._lock:
                        fake.under_way -= 1

            def reply(self, body: Body, trouble: str) -> None:
                if trouble.isdigit():
                    self.answer(int(trouble), {"error": "as told"})
                elif trouble == "hang up" or fake.closed:
                    self.hang_up()
                elif trouble == "half":
                    self.answer(200, fake.completion(body), cut=20)
                elif trouble == "torn":
                    self.answer(200, fake.completion(body), cut=20, honest=False)
                elif trouble == "no json":
                    self.answer(200, ["what?"])
                elif trouble == "abort":
                    self.answer(200, {"choices": [{"text": "", "finish_reason": "abort"}]})
                elif fake.refuses(body):
                    self.answer(400, {"error": "unknown field"})
                else:
                    self.answer(200, fake.completion(body))

            def answer(self, status: int, value: object, cut: int | None = None, honest: bool = True) -> None:
                content = json.dumps(value).encode()
                shown = content[:cut]
                self.send_response(status)
                self.send_header("Content-Length", str(len(shown if honest else content)))
                if status == 503:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(shown)
                if not honest:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def completion(self, body: Body) -> dict[str, Any]:
        text = self.write(body)
        ended = [s for s in body["stop"] if s in text]
        ids = self.vocabulary.encode(text)
        reason = "stop"
        if len(ids) > body["max_tokens"]:
            ids, reason = ids[: body["max_tokens"]], "length"
            text = self.vocabulary.tokenizer.decode(ids)
        if self.exact:
            return {
                "choices": [{"text": text, "finish_reason": reason, "token_ids": ids, "stop_reason": None}]
            }
        for stop in ended:
            text = text.removesuffix(stop)
        return {
            "choices": [{"text": text, "finish_reason": reason, "matched_stop": ended[0] if ended else 8}]
        }

    def close(self) -> None:
        self.closed = True  # also for those who are still connected
        self._server.shutdown()
        self._server.server_close()


def request(engine: ServerEngine, seed: int = 7, *, tokens: int = 100, text: str = "<|user|>1+1?") -> Request:
    return Request(tuple(engine.encode(text)), tokens, 1.1, seed, STOP)


def ask(urls: list[str], count: int = 1, **options: Any) -> list[Completion]:
    async def main() -> list[Completion]:
        engine = ServerEngine(urls, **options)
        try:
            return await asyncio.gather(*(engine.complete(request(engine, seed)) for seed in range(count)))
        finally:
            await engine.close()

    return asyncio.run(main())


def test_a_completion_comes_with_the_ids_that_were_sampled(server: FakeServer) -> None:
    [completion] = ask([server.url])
    assert completion.text == "<|text|>0<|endofblock|>"
    assert list(completion.token_ids) == server.vocabulary.encode(completion.text)
    assert completion.finish == "stop"


def test_what_is_asked_for_is_said_in_full(server: FakeServer) -> None:
    ask([server.url + "/v1/"], key="secret")
    [body] = server.bodies
    assert body["prompt"] == server.vocabulary.encode("<|user|>1+1?")
    assert (body["seed"], body["temperature"], body["max_tokens"]) == (0, 1.1, 100)
    assert body["stop"] == list(STOP)
    assert body["stop_token_ids"] == [i for stop in STOP for i in server.vocabulary.encode(stop)]
    assert body["include_stop_str_in_output"] is True
    assert body["skip_special_tokens"] is False
    assert body["top_p"] == 1
    assert server.keys == ["Bearer secret"]


def test_a_server_that_returns_no_ids_has_its_text_encoded(tiny_model: Path) -> None:
    server = FakeServer(tiny_model, exact=False)
    try:
        [completion] = ask([server.url])
        assert completion.text == "<|text|>0<|endofblock|>"
        assert list(completion.token_ids) == server.vocabulary.encode(completion.text)
        server.write = lambda _: "<|text|>no more"
        [completion] = ask([server.url])
        assert (completion.text, completion.finish) == ("<|text|>no more", "end")
        assert completion.token_ids[-1] == server.vocabulary.encode("<|endofmessage|>")[0]
    finally:
        server.close()


def test_a_server_that_hides_what_stopped_it_is_refused(server: FakeServer) -> None:
    server.completion = lambda body: {"choices": [{"text": "x", "finish_reason": "stop"}]}  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="include_stop_str_in_output"):
        ask([server.url])


def test_the_end_of_text_token_is_kept_as_an_id_and_not_as_text(server: FakeServer) -> None:
    server.write = lambda _: "so.<|endofmessage|>"

    async def main() -> Completion:
        engine = ServerEngine([server.url])
        try:
            return await engine.complete(Request((65,), 50, 1.0, 1, ("\n",)))
        finally:
            await engine.close()

    completion = asyncio.run(main())
    assert (completion.text, completion.finish) == ("so.", "end")
    assert completion.token_ids[-1] == server.vocabulary.encode("<|endofmessage|>")[0]


def test_a_full_context_is_told_from_a_spent_allowance(server: FakeServer) -> None:
    server.write = lambda _: "word " * 200

    async def main() -> list[str]:
        engine = ServerEngine([server.url])
        lengths, allowances = [200, 256, 10, 156], [100, 100, 100, 100]
        try:
            requests = [Request((65,) * n, m, 1.0, 1) for n, m in zip(lengths, allowances, strict=True)]
            return [c.finish for c in await asyncio.gather(*map(engine.complete, requests))]
        finally:
            await engine.close()

    assert asyncio.run(main()) == ["context", "context", "length", "length"]
    assert sorted(body["max_tokens"] for body in server.bodies) == [56, 100, 100]


@pytest.mark.parametrize("trouble", ["429", "503", "500", "502", "hang up", "half", "torn", "abort"])
def test_a_trouble_that_passes_costs_no_completion(server: FakeServer, trouble: str) -> None:
    server.troubles = [trouble] * 3
    completions = ask([server.url], count=8)
    assert [c.text for c in completions] == [f"<|text|>{seed}<|endofblock|>" for seed in range(8)]
    assert len(server.bodies) == 8 + 3


@pytest.mark.parametrize(
    ("trouble", "said"), [("400", "refused"), ("401", "as told"), ("no json", "endpoint")]
)
def test_a_mistake_is_said_at_once(server: FakeServer, trouble: str, said: str) -> None:
    server.troubles = [trouble]
    with pytest.raises(EngineError, match=said):
        ask([server.url])
    assert len(server.bodies) == 1


def test_a_request_that_breaks_every_server_is_given_up(server: FakeServer) -> None:
    server.troubles = ["hang up"] * 50
    with pytest.raises(EngineError, match=r"failed \d+ times in \d+ s; the last time .*Disconnected"):
        ask([server.url], patience=0.5)


def test_a_server_that_fails_for_some_seconds_but_says_that_it_is_there_is_asked_again(
    server: FakeServer,
) -> None:
    server.troubles = ["500"] * 7
    [completion] = ask([server.url])
    assert completion.text == "<|text|>0<|endofblock|>"
    assert len(server.bodies) == 8


def test_a_lost_server_leaves_its_work_to_the_others(tiny_model: Path) -> None:
    servers = [FakeServer(tiny_model) for _ in range(3)]
    servers[0].troubles = ["hang up"] * 1000
    servers[0].card = {}  # so that it is not found alive again
    try:
        completions = ask([s.url for s in reversed(servers)], count=60)
        assert [c.text for c in completions] == [f"<|text|>{seed}<|endofblock|>" for seed in range(60)]
        assert len(servers[1].bodies) + len(servers[2].bodies) == 60
    finally:
        for server in servers:
            server.close()


def test_work_is_spread_over_the_servers(tiny_model: Path) -> None:
    servers = [FakeServer(tiny_model) for _ in range(3)]
    for server in servers:
        server.seconds = 0.1
    try:
        ask([s.url for s in servers], count=30)
        assert [len(s.bodies) for s in servers] == [10, 10, 10]
    finally:
        for server in servers:
            server.close()


def test_a_server_that_takes_few_at_once_gets_all_done(tiny_model: Path) -> None:
    server = FakeServer(tiny_model, slots=4)
    server.seconds = 0.01
    try:
        assert len({c.text for c in ask([server.url], count=40)}) == 40
    finally:
        server.close()


def test_a_server_that_restarts_is_waited_for(tiny_model: Path) -> None:
    first = FakeServer(tiny_model)
    port = first.port
    second: list[FakeServer] = []

    async def main() -> Completion:
        engine = ServerEngine([first.url])
        await engine.complete(request(engine))
        first.troubles = ["hang up"] * 10
        first.close()
        waiting = asyncio.create_task(engine.complete(request(engine, 9)))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        second.append(FakeServer(tiny_model, port=port))
        try:
            return await waiting
        finally:
            await engine.close()

    try:
        assert asyncio.run(main()).text == "<|text|>9<|endofblock|>"
    finally:
        second[0].close()


def test_servers_that_stay_away_end_in_a_clear_error(tiny_model: Path) -> None:
    server = FakeServer(tiny_model)

    async def main() -> None:
        engine = ServerEngine([server.url], patience=0.5)
        server.troubles = ["hang up"] * 10
        server.close()
        try:
            await engine.complete(request(engine))
        finally:
            await engine.close()

    with pytest.raises(EngineError, match=rf"nobody took a request for 0 s.*{server.port}"):
        asyncio.run(main())


def test_no_server_at_the_start_is_told_with_the_remedy() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(EngineError, match="vllm serve"):
            ServerEngine([f"http://127.0.0.1:{port}"])


def test_a_model_that_is_not_served_is_named(server: FakeServer) -> None:
    with pytest.raises(EngineError, match="offers tiny, not 'large'"):
        ServerEngine([server.url], model="large")


def test_a_closed_engine_lets_nobody_wait(server: FakeServer) -> None:
    async def main() -> None:
        engine = ServerEngine([server.url])
        server.seconds = 5
        waiting = asyncio.create_task(engine.complete(request(engine)))
        await asyncio.sleep(0.2)
        await engine.close()
        with pytest.raises(EngineError):
            await asyncio.wait_for(waiting, 3)

    asyncio.run(main())


def test_the_engine_is_made_from_words(server: FakeServer) -> None:
    engine = load_engine(EngineChoice("server", servers=(server.url,)))
    assert (engine.name, engine.model, engine.context) == ("server", "tiny", 256)
    with pytest.raises(ValueError):
        EngineChoice("server")
    with pytest.raises(ValueError):
        EngineChoice("transformers", servers=(server.url,))


class Counted:
    """A copy that counts who is asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[Request] = []

    async def ask(self, request: Request) -> Completion:
        self.asked.append(request)
        await asyncio.sleep(0.001)
        return Completion("", tuple(random.Random(request.seed).choices(range(1000), k=40)), "stop")

    async def alive(self) -> bool:
        return True


def test_the_turns_of_a_solution_stay_with_the_copy_that_knows_them() -> None:
    copies = [Counted(str(i)) for i in range(4)]

    async def solution(replicas: Replicas[Request, Completion], seed: int) -> None:
        prompt = tuple(random.Random(seed).choices(range(1000), k=50))
        for turn in range(5):
            completion = await replicas.ask(Request(prompt, 50, 1.0, 100 * seed + turn), prompt)
            prompt += completion.token_ids

    async def main() -> None:
        replicas: Replicas[Request, Completion] = Replicas(copies)
        await asyncio.gather(*(solution(replicas, seed) for seed in range(40)))
        await replicas.close()

    asyncio.run(main())
    homes = [{r.prompt[:50] for r in copy.asked} for copy in copies]
    assert all(len(home) == 10 for home in homes)
    assert all(len(copy.asked) == 50 for copy in copies)
