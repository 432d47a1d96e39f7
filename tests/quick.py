"""`make quick`: what needs Keras, a gRPC server or another process is skipped where it asks for it.

A pytest plugin, `-p tests.quick`. Nothing is listed by hand: whatever imports Keras or TensorFlow, starts a server or
starts a process is skipped there, be it a module, a fixture or a test.
"""

import subprocess
import sys
from importlib.abc import MetaPathFinder

import pytest
from grpc._cython import cygrpc

HEAVY = frozenset({"aeon", "keras", "tensorflow"})


class _Heavy(MetaPathFinder):
    """Finds nothing, and skips what looks for a heavy library."""

    def find_spec(self, name, path=None, target=None):
        del path, target
        if name.partition(".")[0] in HEAVY:
            pytest.skip(f"imports {name}", allow_module_level=True)


def _no_process(*_, **__):
    pytest.skip("starts a process", allow_module_level=True)


def _no_server(*_, **__):
    pytest.skip("starts a server", allow_module_level=True)


def pytest_configure():
    sys.meta_path.insert(0, _Heavy())
    subprocess.Popen.__init__ = _no_process
    cygrpc.Server = _no_server  # what grpcio's own server stands on, and ours
