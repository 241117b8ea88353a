"""The `jupyter_client` provisioner of the sandboxed kernel: takes the limits from the kernelspec to the
kernel.

    "metadata": {"kernel_provisioner": {"provisioner_name": "scdpo-sandbox",
                                        "config": {"level": "strict", "memory_mb": 2048, "cell_seconds": 60}}}

Does not cover where the kernel runs: it is a local process, as with the provisioner it extends.
"""

from __future__ import annotations

import json
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Float, Int, Unicode

from sandbox.jupyter.kernel import LIMITS_VARIABLE


class SandboxProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts the front of a sandboxed kernel with the limits its kernelspec names."""

    level = Unicode("auto", help="Isolation: strict, landlock, or the better of the two (auto).").tag(
        config=True
    )
    cell_seconds = Float(None, allow_none=True, help="Seconds a cell may run.").tag(config=True)
    memory_mb = Int(None, allow_none=True, help="MiB of memory.").tag(config=True)
    disk_mb = Int(None, allow_none=True, help="MiB of files.").tag(config=True)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Put the limits into the environment of the kernel that is about to start."""
        kwargs = await super().pre_launch(**kwargs)
        chosen = {name: getattr(self, name) for name in ("cell_seconds", "memory_mb", "disk_mb")}
        settings = {"level": self.level, **{k: v for k, v in chosen.items() if v is not None}}
        kwargs["env"] = {**kwargs.get("env", {}), LIMITS_VARIABLE: json.dumps(settings)}
        return kwargs
