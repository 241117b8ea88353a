"""The Jupyter front, driven by Jupyter's own test-suite and by nbclient."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupyter_kernel_test
import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from jupyter_client.provisioning import KernelProvisionerFactory
from nbclient import NotebookClient

from sandbox.jupyter import kernel

pytestmark = pytest.mark.usefixtures("strict")


@pytest.fixture(scope="module", autouse=True)
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Register the kernelspec and the provisioner for these tests alone."""
    prefix = tmp_path_factory.mktemp("jupyter")
    kernel.install(str(prefix))
    root = str(Path(__file__).resolve().parents[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(prefix / "share" / "jupyter"))
        patch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]))
        factory = KernelProvisionerFactory.instance()
        entry = importlib.metadata.EntryPoint(
            kernel.NAME, "sandbox.jupyter.provisioner:SandboxProvisioner", factory.GROUP_NAME
        )
        patch.setitem(factory.provisioners, kernel.NAME, entry)
        yield


# The base class declares its samples as plain class attributes.
# ruff: noqa: RUF012
class TestProtocol(jupyter_kernel_test.KernelTests):
    kernel_name = kernel.NAME
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [
        {"text": "zi", "matches": {"zip"}},
        {"text": "import itert\nprin", "matches": {"print"}},
    ]
    complete_code_samples = ["1", "print('hi')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('no')"
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(3)]", "result": "[0, 1, 4]"},
    ]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>t</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('x'))", "mime": "text/latex"},
    ]
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


def test_nbclient_executes_a_notebook(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("import sympy\nx = sympy.symbols('x')\nprint('made')"),
            nbformat.v4.new_code_cell("sympy.diff(x**3)"),
            nbformat.v4.new_code_cell("import os\nos.path.exists('/etc/passwd')"),
        ]
    )
    NotebookClient(
        notebook, kernel_name=kernel.NAME, timeout=60, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    first, second, third = notebook.cells
    assert first.outputs[0]["text"] == "made\n"
    assert second.outputs[0]["data"]["text/plain"] == "3*x**2"
    assert third.outputs[0]["data"]["text/plain"] == "False"


def test_interrupt_and_kernel_death_are_reported() -> None:
    manager, client = start_new_kernel(kernel_name=kernel.NAME)

    def reply(request: str) -> dict[str, Any]:
        while True:
            message = client.get_shell_msg(timeout=60)
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    try:
        assert reply(client.execute("v = 1"))["status"] == "ok"
        loop = client.execute(
            "print('on')\nimport time\nfor i in range(10**6): print(i, end=''); time.sleep(.01)"
        )
        while "on" not in client.get_iopub_msg(timeout=60)["content"].get("text", ""):
            continue
        manager.interrupt_kernel()
        assert reply(loop)["ename"] == "KeyboardInterrupt"
        assert reply(client.execute("v"))["status"] == "ok"
        assert reply(client.execute("import os; os._exit(3)", stop_on_error=False))["ename"] == "KernelDied"
        assert reply(client.execute("v", stop_on_error=False))["ename"] == "SessionLost"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_limits_come_from_the_provisioner() -> None:
    factory = KernelProvisionerFactory.instance()
    provisioner = factory.provisioners[kernel.NAME].load()
    assert provisioner.__name__ == "SandboxProvisioner"
    assert sys.modules["sandbox.jupyter.provisioner"].LIMITS_VARIABLE == kernel.LIMITS_VARIABLE


assert issubclass(TestProtocol, unittest.TestCase)
