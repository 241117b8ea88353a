"""The code in docs/evaluation.md runs, in one go, as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("reasoning_gym")
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/evaluation.md", "exec"), {"__name__": "docs"})  # noqa: S102
    shown = capsys.readouterr().out
    assert "| start |" in shown
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()
