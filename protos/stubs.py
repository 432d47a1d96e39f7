"""The Python code of every proto, service/carousel/stubs/.

protos/carousel/v1/inference.proto becomes carousel.stubs.v1.inference_pb2: the stubs stand together in one folder, and
their names in the descriptor pool are those of the protos. Beside each stands a .pyi with its types: of messages by
protoc itself, of services by mypy-protobuf.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROTOS = Path(__file__).parent
STUBS = PROTOS.parent / "service" / "carousel" / "stubs"

_OWN_POOL = "tfserving"
"""The protos that bear names of TensorFlow's: a process that holds TensorFlow has others of these names in the default
descriptor pool, so they are in one of their own, `carousel.stubs.tfserving.POOL`."""

_DEFAULT_POOL = "_descriptor_pool.Default()"
_IMPORT = re.compile(r"^((?:from|import) )carousel\.", re.MULTILINE)
_NAME = re.compile(r"\bcarousel\.(?=(?:v1|oip|savedmodel|tfserving)\.\w+_pb2\b)")


def written() -> dict[Path, str]:
    """Write the code and the types of every proto."""
    with tempfile.TemporaryDirectory() as folder:
        _run_protoc(Path(folder))
        root = Path(folder) / "carousel"
        return {STUBS / path.relative_to(root): _moved(path) for path in sorted(root.rglob("*_pb2*"))}


def _moved(path: Path) -> str:
    """Let generated code import its neighbours from carousel.stubs."""
    code = _NAME.sub("carousel.stubs.", _IMPORT.sub(r"\1carousel.stubs.", path.read_text()))
    if path.parent.name == _OWN_POOL and _DEFAULT_POOL in code:
        imported = f"from carousel.stubs.{_OWN_POOL} import POOL\n"
        code = code.replace(_DEFAULT_POOL, "POOL").replace("\n# @@protoc_insertion_point(imports)", f"\n{imported}", 1)
    return code


def _run_protoc(into: Path) -> None:
    plugin = Path(sys.executable).with_name("protoc-gen-mypy_grpc")
    for proto in sorted(PROTOS.rglob("*.proto")):
        name = proto.relative_to(PROTOS)
        outputs = [f"--python_out={into}", f"--pyi_out={into}"]
        if "\nservice " in proto.read_text():
            outputs += [
                f"--grpc_python_out={into}",
                f"--mypy_grpc_out={into}",
                f"--plugin=protoc-gen-mypy_grpc={plugin}",
            ]
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outputs, str(name)],
            check=True,
            stderr=subprocess.DEVNULL,
        )
