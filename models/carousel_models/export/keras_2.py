"""Files that Keras 1 and 2 saved, made readable to Keras 3."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from carousel_models.refusals import ExportRefused

_CONFIG, _METADATA, _H5_CONFIG, _VERSION = "config.json", "metadata.json", "model_config", "keras_version"


def keras_version(path: Path) -> str:
    """Read which Keras saved the .keras or .h5 file `path`.

    Raises:
        ExportRefused: The file is missing, or no such file.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read(_METADATA))[_VERSION])
        with h5py.File(path) as file:
            if _H5_CONFIG not in file.attrs:
                raise ExportRefused(f"{path}: holds weights alone; save the whole model with model.save('model.keras')")
            # Keras 1 before 1.2 wrote none.
            version = file.attrs.get(_VERSION, "1")
            return version.decode() if isinstance(version, bytes) else str(version)
    except FileNotFoundError as error:
        raise ExportRefused(f"{path}: there is no such file") from error
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ExportRefused(
            f"{path}: is not a Keras model: expected a .keras or .h5 file written by model.save ({error})"
        ) from error


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Give a copy of `path` without `time_major`, which Keras 2 wrote for every recurrent layer and Keras 3 refuses.

    Raises:
        ExportRefused: A layer has time_major=True, which Keras 3 cannot do.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
                for name in old.namelist():
                    content = old.read(name)
                    new.writestr(name, _batch_major(content, path) if name == _CONFIG else content)
        else:
            shutil.copyfile(path, copy)
            with h5py.File(copy, "r+") as file:
                file.attrs[_H5_CONFIG] = _batch_major(file.attrs[_H5_CONFIG], path)
        yield copy


def _batch_major(config: str | bytes, path: Path) -> str:
    def without(fields: dict[str, Any]) -> dict[str, Any]:
        if fields.pop("time_major", False):
            raise ExportRefused(
                f"{path}: layer {fields.get('name')!r} has time_major=True, which Keras 3 cannot do; "
                "build it batch-major"
            )
        return fields

    return json.dumps(json.loads(config, object_hook=without))
