"""Write the Python code of every proto under service/, or with --check say what is out of date.

    python protos/generate.py [--check]

protos/carousel/v1/inference.proto becomes carousel.stubs.v1.inference_pb2: the stubs stand together in one folder, and
their names in the descriptor pool are those of the protos.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROTOS = Path(__file__).parent
STUBS = PROTOS.parent / "service" / "carousel" / "stubs"

_IMPORT = re.compile(r"^((?:from|import) )carousel\.", re.MULTILINE)


def generate(into: Path) -> list[Path]:
    """Write the code of every proto below `into`; return its files, relative to `into`."""
    with tempfile.TemporaryDirectory() as folder:
        _run_protoc(Path(folder))
        written = sorted((Path(folder) / "carousel").rglob("*_pb2*"))
        names = [path.relative_to(Path(folder) / "carousel") for path in written]
        for path, name in zip(written, names, strict=True):
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_text(_IMPORT.sub(r"\1carousel.stubs.", path.read_text()))
    return names


def _run_protoc(into: Path) -> None:
    for proto in sorted(PROTOS.rglob("*.proto")):
        name = proto.relative_to(PROTOS)
        outputs = [f"--python_out={into}", f"--pyi_out={into}"]
        if "\nservice " in proto.read_text():
            outputs.append(f"--grpc_python_out={into}")
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outputs, str(name)], check=True
        )


def stale() -> list[Path]:
    """List the committed files that differ from what the protos give."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        return [
            name
            for name in generate(fresh)
            if not (STUBS / name).exists() or (STUBS / name).read_bytes() != (fresh / name).read_bytes()
        ]


def main() -> int:
    """Generate or check."""
    if sys.argv[1:] == ["--check"]:
        found = stale()
        for name in found:
            sys.stderr.write(f"service/carousel/stubs/{name} does not match its proto; run `make generate`\n")
        return 1 if found else 0
    generate(STUBS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
