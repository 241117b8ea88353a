"""Try the bare installation: what it brings, how soon it is there, a verdict, a cell, a fork.

python door.py MIB      # MIB: what the installation takes on disk
"""

import importlib.util
import subprocess
import sys
from statistics import median

HEAVY = ("torch", "transformers", "trl", "datasets", "matplotlib", "vllm", "ray")
MOST_MIB = 300


def import_ms(module: str) -> float:
    """Return the milliseconds that importing a module adds to an interpreter's start: median of nine."""
    code = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1000)"
    return median(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(9))


def main() -> None:
    """Print what was found; raise where it is not as promised."""
    mib = int(sys.argv[1])
    brought = [name for name in HEAVY if importlib.util.find_spec(name)]
    times = ", ".join(f"{name} {import_ms(name):.0f} ms" for name in ("verifier", "sandbox"))
    print(f"{mib} MiB with dependencies; to import {times}")
    assert not brought, f"the bare installation brings {brought}"
    assert mib <= MOST_MIB, f"{mib} MiB are more than {MOST_MIB}"

    import verifier

    loaded = [name for name in sys.modules if name.split(".")[0] in ("sandbox", "sympy")]
    assert not loaded, f"import verifier loads {loaded}"
    verdict = verifier.verify(r"So it is \boxed{\frac{1}{2}}.", "0.5")
    assert verdict.correct, verdict

    import sandbox

    with sandbox.Sandbox() as box, box.session() as session:
        session.run("x = 20")
        with session.fork() as fork:
            assert fork.run("x + 1").output == "21"
        assert session.run("x").output == "20"
        installed = session.run("import flint; flint.fmpz(3)")  # a package that no session has loaded before
        assert installed.output == "3", installed
    print(f"scdpo {sandbox.__version__}: a verdict, a cell and a fork are right")


main()
