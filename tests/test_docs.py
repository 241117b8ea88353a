"""The code on the pages runs as it stands, and prints what the pages say.

``python`` blocks of a page run in one namespace, ``console`` blocks in a shell, all in one empty folder; a ``text``
block right behind a ``python`` block is what that prints. ``...`` in an expected output stands for anything. Comments
that readers do not see say what else a block needs: ``<!-- test: background -->`` before a command that serves until
the page ends, ``<!-- test: skip, WHY -->`` before a block that cannot run here, and ``<!-- test: slow -->`` or
``<!-- test: vllm -->`` before the first block that only ``pytest -m slow`` or ``pytest -m vllm`` reaches; the latter finds
SmolLM2 in ``models/smollm2``. Blocks in other languages are not run.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import sandbox
import verifier
from scdpo.cli import VERBS
from tests.eval.browser import CHROMIUM, Browser

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"(?:<!-- test: (?P<note>slow|vllm|background|skip, [^>]+) -->\n+)?"
    r"^(?P<fence>```+)(?P<language>python|console)\n(?P<body>.*?)^(?P=fence)\n(?:\n```text\n(?P<shown>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SECONDS = 600  # of one command, on a machine that is busy with much else


@dataclass(frozen=True)
class Code:
    """One block of a page: its language, its text, what it shows, what the comment before it says, its line."""

    language: str
    body: str
    shown: str | None
    note: str
    line: int


def code_of(page: Path) -> list[Code]:
    text = page.read_text(encoding="utf-8")
    return [
        Code(m["language"], m["body"], m["shown"], m["note"] or "", text.count("\n", 0, m.start("body")))
        for m in BLOCK.finditer(text)
    ]


def pages() -> list[Path]:
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if any(not code.note.startswith("skip") for code in code_of(page))]


def like(expected: str, got: str) -> bool:
    return doctest.OutputChecker().check_output(expected, got, LIKE)


def commands(body: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output that the page shows after it."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        last = next(i for i, line in enumerate(lines) if not line.endswith("\\\n"))
        yield "".join(lines[: last + 1]), "".join(lines[last + 1 :]).strip("\n")


class Page:
    """Runs the code of one page in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page"}
        self.servers: list[subprocess.Popen[bytes]] = []
        scripts = str(Path(sys.executable).parent)
        self.environment = os.environ | {"PATH": f"{scripts}:{os.environ['PATH']}", "COLUMNS": "110"}

    def run(self, code: Code) -> None:
        if code.language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                # Padded with lines, so that a traceback shows the line of the page.
                exec(compile("\n" * code.line + code.body, "page", "exec"), self.names)  # noqa: S102
            assert code.shown is None or like(code.shown, printed.getvalue()), printed.getvalue()
            return
        for command, expected in commands(code.body):
            if code.note == "background":
                self.serve(command, expected)
                continue
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self.environment,
                timeout=SECONDS,
                check=False,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"$ {command}{done.stdout}{done.stderr}"
            assert not expected or like(expected + "\n", done.stdout), f"$ {command}{done.stdout}"

    def serve(self, command: str, expected: str) -> None:
        log = self.folder / f"server-{len(self.servers)}.log"
        with log.open("wb") as file:
            self.servers.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {command}"],
                    cwd=self.folder,
                    env=self.environment,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            )
        until = time.monotonic() + SECONDS
        while not like(expected + "\n", log.read_text()):
            assert self.servers[-1].poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)

    def close(self) -> None:
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
        for server in self.servers:
            server.wait(60)


LATER = ("slow", "vllm")
"""What the comment before the first block says that only such a run of the tests reaches."""


def run_page(page: Path, folder: Path, reach: str = "") -> None:
    running = Page(folder)
    try:
        for code in code_of(page):
            if code.note in LATER and code.note != reach:
                return
            if not code.note.startswith("skip"):
                running.run(code)
    finally:
        running.close()


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def pages_for(reach: str) -> list[Path]:
    return [page for page in pages() if any(code.note == reach for code in code_of(page))]


def starts_later(page: Path) -> bool:
    return next(code.note for code in code_of(page) if not code.note.startswith("skip")) in LATER


@pytest.mark.parametrize("page", [page for page in pages() if not starts_later(page)], ids=name)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_for("slow"), ids=name)
def test_all_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path, "slow")


@pytest.mark.vllm
@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
@pytest.mark.parametrize("page", pages_for("vllm"), ids=name)
def test_the_code_of_a_page_for_vllm_runs(
    page: Path, smollm2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "smollm2").symlink_to(smollm2_folder)
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path, "vllm")


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_comment_of_a_page_belongs_to_a_block(page: Path) -> None:
    comments = page.read_text(encoding="utf-8").count("<!-- test:")
    assert comments == sum(bool(code.note) for code in code_of(page))


def test_a_wrong_output_on_a_page_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    with pytest.raises(AssertionError):
        run_page(page, tmp_path)
    page.write_text("```console\n$ echo one\ntwo\n```\n")
    with pytest.raises(AssertionError):
        run_page(page, tmp_path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    mkdocs = shutil.which("mkdocs", path=str(Path(sys.executable).parent))
    if mkdocs is None:
        pytest.skip("mkdocs is not installed (the docs extra)")
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run(
        [mkdocs, "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr  # no link is broken
    return folder


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    built = [p.read_text(encoding="utf-8") for p in site.rglob("*.html")]
    assert not any(
        re.search(r'<(?:script|img|link rel="stylesheet")[^>]+(?:src|href)="https?:', page) for page in built
    )


def test_every_command_is_listed_whole_and_linked(site: Path) -> None:
    page = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    for name, verb in VERBS.items():
        assert re.search(
            rf'<a href="#scdpo-{name}"><code>{name}</code></a>: {re.escape(escape(verb.summary, quote=False))}',
            page,
        )
        assert f'id="scdpo-{name}"' in page


@pytest.mark.parametrize(
    ("module", "page"), [(verifier, "verifier"), (sandbox, "sandbox")], ids=lambda m: str(m)[:20]
)
def test_the_reference_names_every_public_class_and_function(site: Path, module: Any, page: str) -> None:
    built = (site / "reference" / f"{page}.html").read_text(encoding="utf-8")
    public = [
        name
        for name in module.__all__
        if callable(getattr(module, name)) and hasattr(getattr(module, name), "__module__")
    ]
    missing = [
        name
        for name in public
        if f'id="{page}.{name}"' not in built and getattr(module, name).__module__ != "typing"
    ]
    assert missing == []
    assert "&gt;&gt;&gt;" not in re.sub(
        r"<pre>.*?</pre>", "", built, flags=re.DOTALL
    )  # doctests stand in code


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    opened = Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("page", ["index.html", "reference/cli.html", "tutorials/verify.html"])
def test_the_site_can_be_read(browser: Browser, site: Path, page: str, width: int, dark: bool) -> None:
    browser.open(site / page, width=width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.violations() == []
    cut = "[...document.querySelectorAll('pre > code')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert width < 1280 or browser.evaluate(cut) == 0


def test_copied_is_the_command_and_not_what_it_prints(browser: Browser, site: Path) -> None:
    browser.open(site / "tutorials" / "train.html")
    copied = """(() => {
        const block = [...document.querySelectorAll('.language-console code')].find(c => c.textContent.includes('compare'));
        block.setAttribute('data-md-copying', '');  // what the theme's button does while it reads the text
        return block.innerText.trim();
    })()"""
    assert browser.evaluate(copied) == "scdpo compare runs/first --markdown"
