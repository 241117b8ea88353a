"""Bring what a bare GPU machine lacks: wheels of trl, datasets and their needs, in parts that travel one at a time.

    python -m experiments.gpu.wheels wheels                          fetch them, for Python 3.11 on Linux
    python -m experiments.gpu.wheels wheels --install wheels/part1   install a part, without any network

torch stays as the machine has it. transformers comes along, for ours is newer than the machine's.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = (
    "trl==1.16.0", "transformers==5.19.0", "datasets==5.2.0", "tokenizers", "pyarrow", "pandas", "multiprocess", "dill",
    "xxhash", "python-dateutil", "python-flint", "libcst", "ipykernel", "ipython", "jupyter_client", "pydantic",
)  # fmt: skip
_PART_BYTES = 60 * 2**20
"""What travels to the machine in one go."""


def fetch(folder: Path, python: str) -> list[Path]:
    """Download the wheels, and sort them into parts; a wheel larger than a part is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--no-deps", "--python-version",
         python, "--dest", str(folder), *NEEDED],
        check=True,
    )  # fmt: skip
    return sort_into_parts(folder, _PART_BYTES)


def sort_into_parts(folder: Path, most: int) -> list[Path]:
    """Move the wheels of a folder into ``part1``, ``part2`` and so on, none larger than ``most`` bytes."""
    parts: list[Path] = []
    left = 0
    for wheel in sorted(folder.glob("*.whl"), key=lambda path: -path.stat().st_size):
        size = wheel.stat().st_size
        if size > most:
            raise SystemExit(f"{wheel.name} has {size:,} bytes; a part takes {most:,}")
        if size > left:
            parts.append(folder / f"part{len(parts) + 1}")
            parts[-1].mkdir(exist_ok=True)
            left = most
        shutil.move(wheel, parts[-1] / wheel.name)
        left -= size
    return parts


def install(part: Path) -> None:
    """Install the wheels of a part, none of their needs, from nowhere else."""
    wheels = [str(wheel) for wheel in sorted(part.glob("*.whl"))]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", *wheels], check=True
    )


def main() -> None:
    """Read the options; fetch or install."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--install", type=Path, help="install this part instead of fetching")
    parser.add_argument("--python", default="3.11", help="the machine's Python")
    options = parser.parse_args()
    if options.install:
        install(options.install)
        print(f"installed {options.install}")
    else:
        for part in fetch(options.folder, options.python):
            print(f"{part}: {sum(wheel.stat().st_size for wheel in part.glob('*.whl')) / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
