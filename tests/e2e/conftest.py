"""Makes the helpers beside the tests importable from wherever pytest is started; what many tests share."""

import os
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Etcd  # noqa: E402


@pytest.fixture(scope="module")
def etcd():
    """One member for all tests of a file, each of which has a prefix of its own in it."""
    with tempfile.TemporaryDirectory(prefix="pilotd-e2e-") as directory:
        member = Etcd.start(directory)
        yield member
        member.kill()
