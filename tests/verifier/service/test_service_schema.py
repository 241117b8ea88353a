"""The OpenAPI document is true: schemathesis holds the service to it. And the page of it needs no network."""

from __future__ import annotations

import re

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from verifier.service.documents import entry, operations

KEY = "a-key-for-tests-only"
EXAMPLES = 15


@pytest.fixture(scope="module")
def api(keyed):
    return schemathesis.openapi.from_url(f"{keyed.url}/openapi.json")


OPERATIONS = [
    "POST /v1/verify",
    "POST /v1/verify/batch",
    "POST /v1/verify/solution",
    "POST /v1/sessions",
    "POST /v1/sessions/{id}/cells",
    "POST /v1/sessions/{id}/fork",
    "DELETE /v1/sessions/{id}",
    "GET /healthz",
    "GET /metrics",
]


def test_all_operations_are_tried(api):
    assert {found.ok().label for found in api.get_all_operations()} == set(OPERATIONS)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_documented(api, label, mode):
    operation = api.find_operation_by_label(label)
    if mode == GenerationMode.NEGATIVE and not (operation.body or operation.path_parameters):
        pytest.skip("there is nothing to get wrong")

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def conforms(case):
        case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"})

    conforms()


def test_the_page_loads_nothing_from_elsewhere(http):
    page = http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", page.text)
    for path in http.get("/openapi.json").json()["paths"]:
        assert path in page.text


def test_the_examples_of_the_page_work(http):
    document = http.get("/openapi.json").json()
    examples = {
        e["path"]: e["example"] for e in (entry(document, *operation) for operation in operations(document))
    }
    for path in ("/v1/verify", "/v1/verify/batch", "/v1/verify/solution"):
        reply = http.post(path, content=examples[path], headers={"Content-Type": "application/json"})
        assert reply.status_code == 200, reply.text
        assert '"correct":true' in reply.text
