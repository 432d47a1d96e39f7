"""Versions on disk: `<repository>/<name>/<version>/saved_model.pb`, TensorFlow Serving's own layout."""

from pathlib import Path


def versions(repository: Path) -> dict[str, list[int]]:
    """List the complete versions of every model, oldest first.

    A version is a folder whose name is a positive number and that holds a saved_model.pb; one that is still being
    written stands under another name until it is whole. A repository that is not there yet is empty.
    """
    found: dict[str, list[int]] = {}
    for path in repository.glob("*/*/saved_model.pb"):
        version = path.parent.name
        if version.isascii() and version.isdigit() and int(version) > 0 and str(int(version)) == version:
            found.setdefault(path.parent.parent.name, []).append(int(version))
    return {name: sorted(numbers) for name, numbers in sorted(found.items())}
