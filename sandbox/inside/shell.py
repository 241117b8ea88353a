"""IPython's shell as a session runs it: no terminal, no history file, no subprocesses.

Shows values, displays and tracebacks exactly as ipykernel does, but hands them to a `Collector` instead of a
message socket. Does not cover isolation or the executor's loop.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
import zlib
from collections.abc import Callable
from types import CodeType
from typing import Any, cast

from IPython.core import interactiveshell
from IPython.core.autocall import ExitAutocall, ZMQExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell, InteractiveShellABC
from sympy.core.cache import clear_cache
from traitlets import Type, default
from traitlets.config import Config

from sandbox.inside.outputs import Collector, Stopped
from sandbox.inside.stand_ins import NO_SUBPROCESS
from sandbox.inside.tracebacks import EndsOfTraceback

# Cells run once in the zygote, so that what they load and compile on first use need not be loaded in every
# session.
WARM_UP = (
    "1+1",
    "def f(x):\n    return 1/x\nf(0)",
    "x = [",
    "import math, fractions, itertools, numpy\nnumpy.arange(3)",
    "numpy.linalg.solve([[2., 0.], [0., 1.]], [1., 1.])",
    "from sympy import *\nx, y = symbols('x y')\nsolve(x**2 - 5*x + 6)",
    "solve([x + y - 3, x - y - 1], (x, y))\nsolve(Eq(x**3, 8), x)\nsimplify((x**2 - 1)/(x - 1))",
    "factor(x**2 - 1), expand((x + y)**2), integrate(x*sin(x), x), diff(exp(x)), limit(sin(x)/x, x, 0)",
    "Rational(1, 3).evalf(), sqrt(8), N(pi), Matrix([[1, 2], [3, 4]]).inv(), Sum(x, (x, 1, 5)).doit()",
)

# Kept of an exception's name and message, and of what a pager is given: all go in one frame.
NAME_CHARS, MESSAGE_CHARS, PAGE_CHARS = 200, 2000, 1_000_000

# IPython's magics that run a cell in another program.
PROGRAM_MAGICS = ("script", "bash", "sh", "python", "python2", "python3", "pypy", "ruby", "perl", "cmd")


class SessionDisplayHook(DisplayHook):
    """Send the value of a cell's last expression to the collector."""

    collector: Collector | None = None

    def start_displayhook(self) -> None:
        """Start a display."""
        self._is_active = True

    def write_output_prompt(self) -> None:
        """Print no `Out[n]:` prompt."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        """Record the formatted value."""
        if self.collector is not None:
            data = jsonable(format_dict)
            self.collector.message(["result", data, jsonable(md_dict or {}), self.prompt_count])

    def finish_displayhook(self) -> None:
        """End a display."""
        self._is_active = False


class SessionDisplayPublisher(DisplayPublisher):
    """Send what `display(...)` publishes to the collector."""

    collector: Collector | None = None

    def publish(  # type: ignore[override]
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_ignored: Any,
    ) -> None:
        """Record a display, or the update of an earlier one."""
        if self.collector is not None:
            event = [
                "display",
                jsonable(data),
                jsonable(metadata or {}),
                jsonable(transient or {}),
                bool(update),
            ]
            self.collector.message(event)

    def clear_output(self, wait: bool = False) -> None:
        """Record that the cell's output so far is to be cleared."""
        if self.collector is not None:
            self.collector.message(["clear", bool(wait)])


class SessionCompiler(CachingCompiler):
    """Name cells as ipykernel does, by a file that does not exist: IPython shows tracebacks accordingly."""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """Return the file name under which a cell is compiled."""
        return f"/tmp/ipykernel/{zlib.crc32(raw_code.encode('utf-8', 'replace'))}.py"


class SessionShell(InteractiveShell):
    """The interactive shell inside a session."""

    compiler_class = Type(SessionCompiler)
    collector: Collector | None = None
    failure: tuple[str, str] | None = None
    interrupted = False
    page: dict[str, Any] | None = None
    # pandas takes a shell without this attribute for a terminal, and cuts wide frames to its width.
    kernel = None
    # Called before an error is shown: what must be said may take more memory than the cell has left.
    before_showing: Callable[[], None] | None = None
    # The code of the frame that runs cells, which no traceback shows.
    runs_cells: CodeType | None = None

    def init_display_pub(self) -> None:
        """Use our publisher."""
        self.display_pub = SessionDisplayPublisher(parent=self, shell=self)

    def init_displayhook(self) -> None:
        """Use our display hook."""
        self.displayhook_class = SessionDisplayHook
        super().init_displayhook()

    def attach(self, collector: Collector) -> None:
        """Send everything to `collector` from now on."""
        self.collector = collector
        self.displayhook.collector = collector
        self.display_pub.collector = collector

    def init_hooks(self) -> None:
        """Keep what `name?` pages for whoever shows it."""
        super().init_hooks()
        self.set_hook("show_in_pager", _keep_page, 99)

    def init_ipython_dir(self, ipython_dir: Any) -> None:
        """Use no configuration folder: nothing is read from or left on the host."""

    def init_profile_dir(self, profile_dir: Any) -> None:
        """Use no profile."""

    def init_virtualenv(self) -> None:
        """Leave sys.path alone."""

    def enable_gui(self, gui: Any = None) -> None:
        """Accept `%gui` and the plotting magics: there is no event loop to hook into."""

    def init_traceback_handlers(self, custom_exceptions: Any) -> None:
        """Show tracebacks by `EndsOfTraceback`."""
        super().init_traceback_handlers(custom_exceptions)
        self.InteractiveTB = EndsOfTraceback(mode=self.xmode, theme_name=self.colors, tb_offset=1)

    @default("exiter")  # type: ignore[untyped-decorator]
    def _exiter_default(self) -> ExitAutocall:
        return ZMQExitAutocall(self)

    def ask_exit(self) -> None:
        """Ignore `exit` and `quit`: a session ends when its owner closes it."""

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        """Show the exception; an interrupt in one line, since where it struck says nothing."""
        if self.before_showing is not None:
            self.before_showing()
        self.InteractiveTB.left_out = 0
        etype, value, tb = sys.exc_info() if not args or args[0] is None else args[0]
        if tb is not None and tb.tb_next is not None and tb.tb_next.tb_frame.f_code is self.runs_cells:
            tb.tb_next = tb.tb_next.tb_next  # a stock kernel has no such frame
        # A cell that waits for something is told of an interrupt by a cancellation.
        quiet = (KeyboardInterrupt, asyncio.CancelledError) if self.interrupted else Stopped
        if etype is not None and issubclass(etype, quiet):
            self.show_line(etype, value)
            return
        super().showtraceback(*args, **kwargs)
        if self.interrupted and self.failure is None and etype is not None:
            # The cell had ended by itself: it was IPython that was interrupted, and it showed the last line alone.
            self.failure, self.interrupted = failure_of(etype, value), False
        if etype is not None and issubclass(etype, MemoryError):
            # What the functions on the stack held would fill the memory for as long as the traceback is kept.
            traceback.clear_frames(tb)

    def _format_exception_for_storage(
        self, exception: BaseException, *_how: Any, **_named: Any
    ) -> dict[str, Any]:
        """Return what the history keeps of an error: not its traceback, which would be rendered a second time."""
        return {"ename": type(exception).__name__, "evalue": _message(exception), "traceback": []}

    def show_line(self, etype: type[BaseException], value: BaseException | None) -> None:
        """Show an exception without where it came from."""
        self._showtraceback(etype, value, [f"{etype.__name__}: {_message(value)}".rstrip(": ")])

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        self.failure = failure_of(etype, evalue)
        if self.collector is not None:
            lines = [str(line) for line in stb]
            self.collector.error(*self.failure, lines, whole=not self.InteractiveTB.left_out)

    def forget(self) -> None:
        """Be as before the first cell: what was loaded stays, and results that were kept could make a session differ
        from a kernel.
        """
        clear_cache()
        self.reset(new_session=True)
        self.failure = None
        self.execution_count = 1

    def system(self, cmd: str) -> None:
        """Refuse `!cmd`. Raises PermissionError."""
        raise PermissionError(NO_SUBPROCESS)

    system_piped = system_raw = system

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """Refuse `x = !cmd`. Raises PermissionError."""
        raise PermissionError(NO_SUBPROCESS)


def _run_cells_by(shell: SessionShell) -> None:
    """Have IPython run code through a frame that makes room for it when the code runs out of memory.

    IPython's own frame is larger than 256 instructions. There CPython (3.11 to 3.13) makes a new integer to unwind an
    error, and where it cannot it tries again for ever: a cell that filled the memory with small objects hung until it
    was killed. This frame is small enough to unwind without.
    """

    def run_in_a_small_frame(code: Any, *namespaces: dict[str, Any]) -> None:
        try:
            exec(code, *namespaces)  # noqa: S102 - it is what a session is for
        except MemoryError:
            if shell.before_showing is not None:
                shell.before_showing()
            raise

    interactiveshell.exec = run_in_a_small_frame  # type: ignore[attr-defined]
    shell.runs_cells = run_in_a_small_frame.__code__


def failure_of(etype: Any, value: BaseException | None) -> tuple[str, str]:
    """Return the name and the message of an exception, neither longer than is kept."""
    return str(getattr(etype, "__name__", etype))[:NAME_CHARS], _message(value)


def _message(value: BaseException | None) -> str:
    try:
        return "" if value is None else str(value)[:MESSAGE_CHARS]
    except Exception as error:  # noqa: BLE001 - the class is the cell's own and may do anything
        return f"<{type(error).__name__} while formatting the message>"


def _keep_page(
    shell: SessionShell, text: Any, start: int = 0, screen_lines: int = 0, pager_cmd: Any = None
) -> None:
    data = text if isinstance(text, dict) else {"text/plain": str(text)}
    shell.page = {str(mime): text[:PAGE_CHARS] for mime, text in data.items() if isinstance(text, str)}


def refuse_input(prompt: str = "", *_more: Any, **_named: Any) -> str:
    """Stand for `input` and `getpass`. Raises StdinNotImplementedError."""
    raise StdinNotImplementedError("input() was called, but there is nobody to answer in a session")


def jsonable(value: Any, depth: int = 0) -> Any:
    """Return `value` with bytes as base64 and anything JSON cannot hold as its text."""
    if value is None or isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):
        return value if -(2**53) < value < 2**53 else repr(value)
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode("ascii")
    if depth < 20 and isinstance(value, dict):
        return {str(k): jsonable(v, depth + 1) for k, v in value.items()}
    if depth < 20 and isinstance(value, (list, tuple)):
        return [jsonable(v, depth + 1) for v in value]
    return repr(value)


def refuse_program(line: str, cell: str = "") -> None:
    """Stand for a magic that runs a cell in another program. Raises PermissionError."""
    raise PermissionError(NO_SUBPROCESS)


def make_shell() -> SessionShell:
    """Build the shell of all sessions, once, in the zygote."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    # As in a stock kernel: without colours IPython leaves lines out of tracebacks. The codes are taken out later.
    config.InteractiveShell.colors = "neutral"
    config.InteractiveShell.history_length = 100
    config.Completer.use_jedi = False
    # tqdm and others look for this section to tell a notebook from a terminal.
    config.IPKernelApp.connection_file = "kernel.json"
    shell = SessionShell.instance(config=config)
    InteractiveShellABC.register(SessionShell)
    _run_cells_by(shell)
    shell.db = {}  # bookmarks and visited folders, which IPython would keep in a profile
    shell.autoawait = True
    for name in PROGRAM_MAGICS:
        shell.register_magic_function(refuse_program, "cell", name)
    shell.complete("pri")
    return cast(SessionShell, shell)


# Libraries look at the name of the shell's class (pandas, rich, plotly) and treat any other as a terminal.
SessionShell.__module__, SessionShell.__qualname__ = "ipykernel.zmqshell", "ZMQInteractiveShell"
SessionShell.__name__ = "ZMQInteractiveShell"
