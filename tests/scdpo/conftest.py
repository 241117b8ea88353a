"""What several test files here share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scdpo.test_server_engine import FakeServer


@pytest.fixture
def server(tiny_model: Path) -> Iterator[FakeServer]:
    """A model server that writes as its ``write`` says."""
    fake = FakeServer(tiny_model)
    yield fake
    fake.close()
