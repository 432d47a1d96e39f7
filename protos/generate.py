"""Write the Python code of every proto under service/, or with --check say what is out of date.

    python protos/generate.py [--check]

The proto's path is the Python path, so what protoc writes imports as it is.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

PROTOS = Path(__file__).parent
SERVICE = PROTOS.parent / "service"


def generate(into: Path) -> list[Path]:
    """Write the code of every proto below `into`; return its files, relative to `into`."""
    for proto in sorted(PROTOS.rglob("*.proto")):
        name = proto.relative_to(PROTOS)
        outputs = [f"--python_out={into}", f"--pyi_out={into}"]
        if "\nservice " in proto.read_text():
            outputs.append(f"--grpc_python_out={into}")
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outputs, str(name)], check=True
        )
    return sorted(path.relative_to(into) for path in into.rglob("*_pb2*"))


def stale() -> list[Path]:
    """List the committed files that differ from what the protos give."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        return [
            name
            for name in generate(fresh)
            if not (SERVICE / name).exists() or (SERVICE / name).read_bytes() != (fresh / name).read_bytes()
        ]


def main() -> int:
    """Generate or check."""
    if sys.argv[1:] == ["--check"]:
        found = stale()
        for name in found:
            sys.stderr.write(f"service/{name} does not match its proto; run `make generate`\n")
        return 1 if found else 0
    generate(SERVICE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
