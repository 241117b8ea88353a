"""The start page: a run's report where one was named, else what the service offers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eval.browser import CHROMIUM, Browser
from verifier.service import ServiceSettings


def test_the_report_is_shown_as_it_stands_now(start_service, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("<h1>one</h1>", encoding="utf-8")
    with start_service(report=str(report)).client() as http:
        assert http.get("/").text == "<h1>one</h1>"
        report.write_text("<h1>二</h1>", encoding="utf-8")
        page = http.get("/")
        assert page.text == "<h1>二</h1>"
        assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_the_report_needs_the_key(start_service, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("<h1>mine</h1>", encoding="utf-8")
    service = start_service(report=str(report), key="a-key-of-some-length")
    with service.client() as http:
        assert http.get("/").status_code == 401
    with service.client("a-key-of-some-length") as http:
        assert "mine" in http.get("/").text


def test_a_browser_opens_the_report_with_the_key_as_password(start_service, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("<h1>mine</h1>", encoding="utf-8")
    service = start_service(report=str(report), key="a-key-of-some-length")
    with service.client() as http:
        asked = http.get("/")
        assert asked.headers["www-authenticate"].startswith('Basic realm="scdpo"')
        assert "mine" in http.get("/", auth=("anyone", "a-key-of-some-length")).text
        assert http.get("/", auth=("anyone", "a-key-of-some-other")).status_code == 401
        assert http.get("/", headers={"Authorization": "Basic %%%"}).status_code == 401
        # A browser sends Basic credentials on its own, so they open nothing that acts.
        said = http.post("/v1/sessions", json={}, auth=("anyone", "a-key-of-some-length"))
        assert (said.status_code, said.headers["www-authenticate"]) == (401, "Bearer")


def test_without_a_run_the_service_describes_itself(service) -> None:
    with service.client() as http:
        page = http.get("/", follow_redirects=True)
        assert page.status_code == 200
        assert "/v1/verify" in page.text


def test_a_run_without_a_report_is_refused_with_the_command_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"scdpo report {tmp_path}"):
        ServiceSettings(report=tmp_path / "report.html")
    for no_run in (tmp_path / "nope", Path(__file__)):
        with pytest.raises(ValueError, match="is no run folder"):
            ServiceSettings(report=no_run / "report.html")


def test_the_page_for_people_is_named_when_the_service_is_ready(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<h1>mine</h1>", encoding="utf-8")
    command = [sys.executable, "-m", "scdpo", "serve", "--port", "0", "--run", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=-1, stderr=-1, text=True, env={**os.environ, "COLUMNS": "200"}
    ) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        process.terminate()
    assert re.fullmatch(rf"Report of {tmp_path}: http://127\.0\.0\.1:\d+/\n", first)
    assert re.search(r"http://127\.0\.0\.1:\d+/docs$", second.strip())


def test_types_are_told_by_their_fields_and_code_as_code(service) -> None:
    with service.client() as http:
        page = http.get("/docs").text
    assert "list of {prediction, gold, rounding, require}" in page
    assert "<code>sigfigs</code>: a decimal" in page
    assert "`" not in page.split("<script>")[0]
    assert "VerifyBody" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")
def test_the_description_of_the_api_can_be_read(service, tmp_path: Path) -> None:
    browser = Browser(tmp_path / "chromium")
    try:
        for width, dark in [(390, False), (390, True), (1280, False), (1920, True)]:
            browser.open(f"{service.url}/docs", width=width, dark=dark)
            assert browser.problems == []
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert browser.violations() == []
    finally:
        browser.close()
