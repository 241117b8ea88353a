"""Keys, sizes, hostile bodies, back-pressure, ids and logs."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from contextlib import ExitStack

import httpx
import pytest

from verifier.service import ServiceSettings, create_app

JSON = {"Content-Type": "application/json"}
GOOD = {"prediction": "1", "gold": "1"}
KEY = "a-key-for-tests-only"
HEADERS = "Host: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org", ""])
def test_other_machines_are_let_in_with_a_key_only(host):
    with pytest.raises(ValueError, match="set a key"):
        ServiceSettings(host=host)
    assert ServiceSettings(host=host, key=KEY).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_this_machine_needs_no_key(host):
    assert ServiceSettings(host=host).key is None


@pytest.mark.parametrize("key", ["", "short", "ключ-ключ-ключ-ключ", f"{KEY} ", f"{KEY}\n", f"{KEY} x"])
def test_a_weak_key_is_refused(key):
    with pytest.raises(ValueError, match="16 ASCII"):
        ServiceSettings(key=key)


def test_the_key_is_not_shown():
    assert KEY not in repr(ServiceSettings(key=KEY))


@pytest.mark.parametrize(
    "options",
    [{"workers": 0}, {"max_requests": 0}, {"queue_seconds": 0}, {"drain_seconds": -1}, {"port": 70000}],
)
def test_settings_that_cannot_work_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ServiceSettings(**options)


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x", "Bearer ключ"]
)
def test_without_the_key_nothing_is_done(keyed, assert_problem, header):
    headers = {} if header is None else {"Authorization": header.encode()}
    with keyed.client() as http:
        reply = http.post("/v1/verify", json=GOOD, headers=headers)
        assert_problem(reply, 401, "unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"
        assert_problem(http.get("/metrics", headers=headers), 401, "unauthorized")
        assert_problem(http.post("/v1/sessions", json={}, headers=headers), 401, "unauthorized")


def test_with_the_key_it_is(keyed):
    with keyed.client(KEY) as http:
        assert http.post("/v1/verify", json=GOOD).status_code == 200
        assert "scdpo_verdicts_total" in http.get("/metrics").text


def test_a_balancer_needs_no_key(keyed):
    with keyed.client() as http:
        assert http.get("/healthz").json()["status"] == "ok"


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "10.0.0.1"),
        *("[::1]evil", "[::1]evil.example:80", "[::1].evil.example", "[::1", "::1]", "[::1]:80:evil"),
        *("127.0.0.1:evil.example", "localhost:80:evil", "evil[::1]", "[]", ":80"),
    ],
)
def test_without_a_key_foreign_host_names_are_refused(http, assert_problem, host):
    assert_problem(http.post("/v1/verify", json=GOOD, headers={"Host": host}), 421, "wrong_host")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8321", "127.0.0.1", "127.8.8.8:1", "[::1]", "[::1]:8321"]
)
def test_without_a_key_loopback_host_names_are_answered(http, host):
    assert http.post("/v1/verify", json=GOOD, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",  # no Host
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /secret-4711 HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",  # a TLS handshake
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 20_000,
        f"POST /v1/verify HTTP/1.1\r\n{HEADERS}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
        f"HEAD /v1/verify HTTP/1.1\r\n{HEADERS}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
    ],
    ids=lambda sent: repr(sent[:24]),
)
def test_what_is_no_http_is_a_problem_too(service, assert_problem, sent):
    assert_problem(exchange(service, sent), 400, "malformed_request")


def test_a_body_that_breaks_off_is_no_failure_of_the_service(service):
    more = "X-Request-ID: broken-off\r\nTransfer-Encoding: chunked\r\n\r\n"
    head = f"POST /v1/verify HTTP/1.1\r\n{HEADERS}{more}"
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as raw:
        raw.sendall(head.encode())
        time.sleep(0.2)
        raw.sendall(b"zz\r\n")
        assert raw.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert service.logged("request", request_id="broken-off")["status"] < 500


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_only_json_is_read(http, assert_problem, kind):
    reply = http.post("/v1/sessions", content=b"{}", headers={"Content-Type": kind})
    assert_problem(reply, 415, "not_json")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"prediction": "1", "gold": "1"',
        b"[" * 50_000,
        b'{"a":' * 15_000,
        b"[" * 40_000 + b"]" * 40_000,
        b"\xff\xfe\x00",
        b'{"prediction": "\xff", "gold": "1"}',
        b"9" * 90_000,
        gzip.compress(b'{"prediction": "1", "gold": "1"}', mtime=0),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_json_is_a_problem(http, assert_problem, body):
    reply = http.post("/v1/verify", content=body, headers=JSON)
    if reply.status_code == 422:
        assert_problem(reply, 422, "invalid_body")
    else:
        assert_problem(reply, 400, "malformed_json")


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "[]",
        '"x"',
        "NaN",
        "{}",
        '{"prediction": {"a": 1}, "gold": "1"}',
        '{"prediction": ["1"], "gold": "1"}',
        r'{"prediction": "\ud800", "gold": "1"}',
        r'{"prediction": "1", "gold": "\udfff\ud800"}',
        '{"prediction": "1", "gold": "1", "roundin": "exact"}',
        '{"prediction": "1", "gold": "1", "rounding": "roughly"}',
    ],
)
def test_a_body_of_the_wrong_shape_is_a_problem_with_pointers(http, assert_problem, body):
    problem = assert_problem(http.post("/v1/verify", content=body, headers=JSON), 422, "invalid_body")
    assert all(error["pointer"].startswith("#") and error["detail"] for error in problem["errors"])


def test_many_errors_make_no_huge_answer(http, assert_problem):
    blocks = [{"x" * 100: 1}] * 50
    reply = http.post("/v1/verify/solution", json={"blocks": blocks, "gold": "1"})
    assert_problem(reply, 422, "invalid_body")
    assert len(reply.content) < 20_000


@pytest.mark.parametrize(
    "text", ["\x00", "\u202e\u0000\uffff", "😀" * 1000, "\\boxed{" * 10_000, "(" * 50_000, "^9" * 20_000]
)
def test_any_text_gets_a_verdict(http, text):
    for body in ({"prediction": text, "gold": "1"}, {"prediction": "1", "gold": text}):
        reply = http.post("/v1/verify", json=body)
        assert reply.status_code == 200
        assert not reply.json()["correct"]


@pytest.mark.parametrize("size", [1_000_001, 5_000_000, 20_000_000])
def test_a_body_over_the_limit_is_refused(http, assert_problem, size):
    reply = http.post("/v1/verify", content=b" " * size, headers=JSON)
    assert_problem(reply, 413, "too_large")


def test_a_body_of_unknown_length_is_refused_too(http, assert_problem):
    reply = http.post("/v1/verify", content=(b" " * 10_000 for _ in range(400)), headers=JSON)
    assert_problem(reply, 413, "too_large")


def test_a_body_has_its_limit_under_a_prefix_too(assert_problem):
    async def ask() -> httpx.Response:
        app = create_app(ServiceSettings(max_body_bytes=1024))
        there = httpx.ASGITransport(app, root_path="/prefix")
        async with httpx.AsyncClient(transport=there, base_url="http://localhost") as http:
            return await http.post("/prefix/v1/verify", content=b" " * 1025, headers=JSON)

    assert_problem(asyncio.run(ask()), 413, "too_large")


def test_a_caller_that_sends_slowly_is_cut_off(service):
    head = b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as raw:
        raw.sendall(head)
        answer = raw.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1"), ("POST", "/v1/verify/"), ("GET", "/v2/x"), ("GET", "/v1/%00")]
)
def test_unknown_paths_are_problems(http, assert_problem, method, path):
    assert_problem(http.request(method, path, json={}), 404, "not_found")


def test_a_path_that_is_not_there_is_not_found_whatever_its_body(http, service, assert_problem):
    assert_problem(http.post("/v1/nope", content=b"x", headers={"X-Request-ID": "lost"}), 404, "not_found")
    assert_problem(http.post("/v1/sessions", headers={"X-Request-ID": "untyped"}), 415, "not_json")
    assert service.logged("request", request_id="lost")["route"] == "unmatched"
    assert service.logged("request", request_id="untyped")["route"] == "/v1/sessions"


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/docs", "/openapi.json", "/metrics", "/favicon.ico", "/nope"]
)
def test_head_answers_as_get_does_without_the_body(http, service, path):
    asked, got = http.head(path, headers={"X-Request-ID": "head"}), http.get(path)
    assert asked.status_code == got.status_code
    assert asked.headers.get("content-type") == got.headers.get("content-type")
    assert asked.content == b""
    assert service.logged("request", request_id="head")["method"] == "HEAD"
    assert "HEAD" in http.post("/healthz").headers["allow"]


def test_a_body_that_is_encoded_is_refused(http, assert_problem):
    body = gzip.compress(json.dumps(GOOD).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    reply = http.post("/v1/verify", content=body, headers=headers)
    assert_problem(reply, 415, "encoded")
    assert reply.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/4711-marker"), ("MARKER-4711", "/v1/verify"), ("DELETE", "/v1/sessions/4711")],
)
def test_a_problem_does_not_echo_the_path_or_method(http, method, path):
    reply = http.request(method, path, headers={"X-Request-ID": "x"})
    assert reply.status_code in (404, 405)
    assert "4711" not in reply.text


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/verify"), ("PUT", "/v1/sessions"), ("POST", "/healthz")]
)
def test_wrong_methods_are_problems(http, assert_problem, method, path):
    reply = http.request(method, path, json={})
    assert_problem(reply, 405, "method_not_allowed")
    assert reply.headers["allow"]


def test_a_request_id_is_taken_and_given_back(http, service):
    assert http.get("/healthz", headers={"X-Request-ID": "job-7.a_B"}).headers["x-request-id"] == "job-7.a_B"
    line = service.logged("request", request_id="job-7.a_B")
    assert (line["route"], line["status"], line["method"]) == ("/healthz", 200, "GET")
    assert line["seconds"] > 0


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, '{"a":1}', "é"])
def test_a_request_id_that_could_spoil_a_log_is_replaced(http, given):
    found = http.get("/healthz", headers={"X-Request-ID": given.encode()}).headers["x-request-id"]
    assert found != given
    assert found.isalnum()


def test_what_callers_send_is_not_logged(http, service):
    marker = "secret-answer-4711"
    http.post("/v1/verify", json={"prediction": marker, "gold": marker}, headers={"X-Request-ID": "private"})
    assert marker not in str(service.logged("request", request_id="private"))


def test_metrics_count_by_route_and_not_by_path(http):
    http.get("/v1/sessions/guess-1")
    http.delete("/v1/sessions/guess-2")
    text = http.get("/metrics").text
    assert 'scdpo_http_requests_total{method="DELETE",route="/v1/sessions/{id}",status="404"}' in text
    assert "guess" not in text


def test_too_many_requests_at_once_are_told_to_come_back(keyed, assert_problem):
    with keyed.client(KEY) as http:
        path = f"/v1/sessions/{http.post('/v1/sessions', json={}).json()['id']}"
        codes = [f"{path}/cells", "/v1/verify/solution"]
        code = {"type": "code", "content": "import time; time.sleep(2)"}
        bodies = [{"code": code["content"]}, {"blocks": [code], "gold": "1", "execute": True}]
        threads = [
            threading.Thread(target=_post, args=(keyed, *call)) for call in zip(codes, bodies, strict=True)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        reply = http.post("/v1/verify", json=GOOD)
        health = http.get("/healthz")
        for thread in threads:
            thread.join()
        assert_problem(reply, 429, "queue_full")
        assert int(reply.headers["retry-after"]) > 0
        assert health.json()["requests"] == 2
        assert http.post("/v1/verify", json=GOOD).status_code == 200


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        ("/healthz", "", 405),
        ("/docs", "", 405),
        ("/v1/verify", "", 401),
        ("/v1/verify", "Authorization: Bearer wrong\r\n", 401),
        ("/metrics", f"Authorization: Bearer {KEY}\r\n", 405),
        ("/", f"Authorization: Bearer {KEY}\r\n", 405),
    ],
)
def test_a_body_that_is_not_wanted_is_not_waited_for(keyed, path, header, status):
    started = time.monotonic()
    with unfinished(keyed, path, header) as raw:
        assert raw.recv(65536).startswith(b"HTTP/1.1 %d " % status)
    assert time.monotonic() - started < 5  # body_seconds is 10


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json", "/metrics", "/v1/verify", "/"])
def test_callers_without_the_key_take_no_place_from_those_with_it(keyed, path):
    with ExitStack() as held, keyed.client(KEY) as http:
        for _ in range(6):
            held.enter_context(unfinished(keyed, path))
        time.sleep(0.3)
        assert http.post("/v1/verify", json=GOOD).status_code == 200


def test_requests_whose_bodies_are_awaited_fill_the_places(keyed, assert_problem):
    with ExitStack() as held, keyed.client(KEY) as http:
        for _ in range(2):
            held.enter_context(unfinished(keyed, "/v1/verify", f"Authorization: Bearer {KEY}\r\n"))
        wait_for_requests(http, 2)
        assert_problem(http.post("/v1/verify", json=GOOD), 429, "queue_full")
    with keyed.client(KEY) as http:
        wait_for_requests(http, 0)
        assert http.post("/v1/verify", json=GOOD).status_code == 200


def test_waiting_for_a_turn_has_an_end(keyed, assert_problem):
    body = {
        "blocks": [{"type": "code", "content": "import time; time.sleep(4)"}],
        "gold": "1",
        "execute": True,
    }
    with keyed.client(KEY) as http:
        first = threading.Thread(target=_post, args=(keyed, "/v1/verify/solution", body))
        first.start()
        while "scdpo_http_requests_in_flight 1.0" not in http.get("/metrics").text:
            time.sleep(0.02)
        time.sleep(0.1)  # it is read, and has its turn
        started = time.monotonic()
        reply = http.post("/v1/verify/solution", json=body)
        assert_problem(reply, 503, "busy")
        assert int(reply.headers["retry-after"]) > 0
        assert 1.5 < time.monotonic() - started < 3.5
        first.join()


def _post(service, path: str, body: dict) -> None:
    with service.client(KEY) as http:
        http.post(path, json=body)


def exchange(service, sent: bytes) -> httpx.Response:
    """Send these bytes and return what comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as raw:
        raw.sendall(sent)
        received = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def unfinished(service, path: str, header: str = "") -> socket.socket:
    """Send a POST whose JSON body never ends."""
    raw = socket.create_connection(("127.0.0.1", service.port), timeout=15)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"
    )
    raw.sendall(f"{head}{header}\r\n{{".encode())
    return raw


def wait_for_requests(http: httpx.Client, count: int) -> None:
    """Wait until so many requests are in flight."""
    for _ in range(100):
        if http.get("/healthz").json()["requests"] == count:
            return
        time.sleep(0.05)
    raise AssertionError(f"there were never {count} requests in flight")
