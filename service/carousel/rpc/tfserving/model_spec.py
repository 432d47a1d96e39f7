"""Which model, version and signature a message names, and the words in which TensorFlow Serving says there is none."""

from typing import NamedTuple

from carousel.artifact import SERVING
from carousel.errors import CarouselError, InvalidRequest, ModelNotFound, SignatureNotFound, Violation, shortened
from carousel.serving import Face, Version, faces, stateful_face
from carousel.stubs.tfserving import serving_pb2 as pb

_NEWEST = 0


class Spec(NamedTuple):
    """What a ModelSpec says.

    Attributes:
        name: The model's.
        version: Its number; None where the newest is meant, or what the label names.
        label: In place of a version; "" for none.
        signature: "" for the one that the model is served by.
    """

    name: str
    version: int | None
    label: str
    signature: str

    @property
    def number(self) -> int:
        """The version as the catalog knows it."""
        return _NEWEST if self.version is None else self.version

    @property
    def shown(self) -> str:
        """The name as errors repeat it: its beginning, where it is long."""
        return shortened(self.name)

    def not_found(self, error: CarouselError) -> CarouselError:
        """Say as TensorFlow Serving does that nothing is served by this name, version or label; clients match it."""
        if not isinstance(error, ModelNotFound):
            return error
        if self.label:
            text = f"Unrecognized servable version label: {shortened(self.label)}"
            return InvalidRequest((Violation("", f"{text}. {error.message}"),))
        wanted = f"Latest({self.shown})" if self.version is None else f"Specific({self.shown}, {self.version})"
        return ModelNotFound(f"Servable not found for request: {wanted}. {error.message}")


def read_spec(message: object, spec: pb.ModelSpec, max_name: int) -> Spec:
    """Read the ModelSpec of a message.

    Raises:
        InvalidRequest: There is none, it has no name, or a name of more than `max_name` characters.
        ModelNotFound: It names a version that no model has: they begin at 1.
    """
    if not message.HasField("model_spec"):  # type: ignore[attr-defined]
        raise _wrong("", "Missing ModelSpec")
    if not spec.name:
        raise _wrong("", "ModelSpec has no name specified.")
    for field in ("name", "version_label", "signature_name"):
        if (found := len(getattr(spec, field))) > max_name:
            raise _wrong(f"model_spec.{field}", f"has {found} characters, the limit is {max_name} (max_name_bytes)")
    version = spec.version.value if spec.HasField("version") else None
    read = Spec(spec.name, version, spec.version_label, spec.signature_name)
    if version is not None and version < 1:
        raise read.not_found(ModelNotFound("Versions begin at 1"))
    return read


def faces_of(version: Version) -> dict[str, Face]:
    """Give every signature of a version by name, that with its states among them."""
    stateful = stateful_face(version)
    return {**faces(version), **({} if stateful is None else {stateful.name: stateful})}


def find_face(version: Version, name: str) -> Face:
    """Find a signature; without a name, the one that the model is served by.

    Raises:
        SignatureNotFound: There is none of this name.
    """
    known = faces_of(version)
    if (found := known.get(name or SERVING)) is None:
        there = ", ".join(sorted(known))
        raise SignatureNotFound(f'Serving signature key "{shortened(name)}" not found. {version} has: {there}')
    return found


def write_spec(version: Version, into: pb.ModelSpec, signature: str = "") -> None:
    """Say which version answered, and by which signature."""
    into.name, into.version.value, into.signature_name = version.name, version.number, signature


def _wrong(field: str, description: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, description),))
