"""The start page: a run's report where one was named, else what the service offers."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_without_a_run_the_service_describes_itself(service) -> None:
    with service.client() as http:
        page = http.get("/", follow_redirects=True)
        assert page.status_code == 200
        assert "/v1/verify" in page.text


def test_a_run_without_a_report_is_refused_with_the_command_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"scdpo report {tmp_path}"):
        ServiceSettings(report=tmp_path / "report.html")
