"""What is generated is what its source says: `make check` names each file that is not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

CHANGES = {
    "protos/carousel/v1/inference.proto": (
        ("// Carousel's own API", "// A changed API"),
        {"service/carousel/stubs/v1/inference_pb2_grpc.pyi"},
    ),
    "service/carousel/client/aio.py": (("The client for programs", "A client for programs"), {"blocking.py"}),
    "service/carousel/client/aio_fleet.py": (("Live sequences for", "Some sequences for"), {"fleet.py"}),
    "service/carousel/telemetry/instruments.py": (('"carousel_serving"', '"carousel_renamed"'), {"docs/metrics.md"}),
    "service/carousel/settings/settings.py": (("The address that gRPC", "An address that gRPC"), {"docs/settings.md"}),
    "service/carousel/cli/explain.py": (("Run MODEL over one", "Runs MODEL over one"), {"docs/commands.md"}),
    "docs/turning.py": (('"Padded batches"', '"Batches, padded"'), {"docs/turning.svg"}),
    "deploy/grafana/dashboard.py": (("Is it healthy?", "Is it well?"), {"deploy/grafana/dashboard.json"}),
    "deploy/prometheus/rules.yaml": (("groups:", "groups: # changed"), {"monitoring/rules.yaml"}),
}
"""By source: what is changed there to what, and the ends of the names of the files that are then out of date."""


def check(tree):
    """The names that the check gives in a source tree."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(tree / root) for root in ("service", "models"))}
    command = [sys.executable, tree / ".ci" / "generate.py", "--check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    named = {line.split()[0] for line in done.stderr.splitlines() if "run `make generate`" in line}
    assert done.returncode == bool(named), done.stderr
    return named


def test_each_file_whose_source_changed_is_named_and_no_other(tmp_path):
    """One change in every source, and as many generated files out of date as come of it."""
    for folder in (".ci", "deploy", "docs", "protos", "service", "models/carousel_models"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert check(tmp_path) == set()
    for source, ((before, after), _) in CHANGES.items():
        text = (tmp_path / source).read_text()
        assert before in text, source
        (tmp_path / source).write_text(text.replace(before, after, 1))
    named = check(tmp_path)
    expected = {end for _, ends in CHANGES.values() for end in ends}
    assert {end for end in expected if not any(name.endswith(end) for name in named)} == set()
    assert {name for name in named if not name.endswith(tuple(expected))} == set()
