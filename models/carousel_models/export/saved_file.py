"""A .keras or .h5 file: what it says of its model, before any layer is built; its suffix does not matter."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from carousel_models.refusals import ExportRefused

ARCHIVED_CONFIG, ARCHIVED_WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"
H5_WEIGHTS, _H5_CONFIG, _VERSION = "model_weights", "model_config", "keras_version"


@dataclass(frozen=True)
class SavedFile:
    """A model's file.

    Attributes:
        path: Where it lies.
        archive: Whether it is a .keras archive; else it is HDF5.
        version: The Keras that wrote it, such as 2.2.4.
        config: `class_name` and `config`.
    """

    path: Path
    archive: bool
    version: str
    config: dict[str, Any]

    @property
    def of_keras_2(self) -> bool:
        """Whether a Keras before 3, or tf_keras, wrote it."""
        return int(self.version.split(".")[0]) < 3


def open_saved(path: Path) -> SavedFile:
    """Read what the file `path` says of its model.

    Raises:
        ExportRefused: It is missing, of another kind, holds weights alone, or a Keras before 2 wrote it.
    """
    try:
        archive = zipfile.is_zipfile(path)
        version, config = _archived(path) if archive else _in_h5(path)
    except FileNotFoundError as error:
        raise ExportRefused(f"{path}: there is no such file") from error
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ExportRefused(
            f"{path}: is not a Keras model: expected a .keras or .h5 file written by model.save, or the folder of a "
            f"SavedModel ({error})"
        ) from error
    if version.startswith("1"):
        raise ExportRefused(
            f"{path}: was saved by Keras 1: load it with any Keras from 2.0 to 2.3, and save it again from there"
        )
    return SavedFile(path, archive, version, config)


def _archived(path: Path) -> tuple[str, dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        return str(json.loads(archive.read(_METADATA))[_VERSION]), json.loads(archive.read(ARCHIVED_CONFIG))


def _in_h5(path: Path) -> tuple[str, dict[str, Any]]:
    with h5py.File(path) as file:
        if _H5_CONFIG not in file.attrs:
            if "layer_names" in file.attrs or "layers" in file or "_layer_checkpoint_dependencies" in file:
                raise ExportRefused(
                    f"{path}: holds weights alone, without the layers they belong to: build the model in Python, call "
                    "model.load_weights on this file, and export model.save('model.keras') or the model itself with "
                    "carousel_models.export.export"
                )
            raise KeyError(f"no {_H5_CONFIG} in it")
        # Keras 1 before 1.2 wrote no version.
        return _text(file.attrs.get(_VERSION, "1")), json.loads(_text(file.attrs[_H5_CONFIG]))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
