"""The settings page, docs/settings.md, from the code that reads settings."""

import re
from pathlib import Path
from typing import get_args

from pydantic.fields import FieldInfo

from carousel.settings import GROUPS, PREFIX

PAGE = Path(__file__).with_suffix(".md")

_HEAD = f"""\
# Settings
Written by `docs/settings.py` from `service/carousel/settings/settings.py`; do not edit.

Each setting of `carousel serve` is a flag, an environment variable and a key of the TOML file that `--config` or
`{PREFIX}CONFIG` names: `--http-port`, `{PREFIX}HTTP_PORT` and `http_port` are one. A flag goes before a variable,
that before the file, and that before the default. Durations are in seconds, sizes in bytes.

How one model is served, which of its versions and by which labels, stands in a table of its own, in the file alone:

```toml
[models.forecast]
versions = [3, 5]                    # or "all"; or, in its place, keep_versions = 2
labels = {{ stable = 3, canary = 5 }}  # clients may send a label in place of a version
tensorflow_batches = true            # where TensorFlow serves it: as the setting of that name
```

These tables are read again when the file changes, and on SIGHUP; other settings need a restart. There
`tensorflow_batches` holds for versions that are loaded from then on. A labelled version is served in any case. Who
names neither a version nor a label gets the newest that is served.
"""

_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def written() -> dict[Path, str]:
    """Write the page."""
    sections = []
    for group in GROUPS:
        rows = [
            f"| `{name}` | {_values(field)} | {_default(field)} | {field.description} |\n"
            for name, field in group.model_fields.items()
        ]
        heading = re.sub("(?<=[a-z])(?=[A-Z])", " ", group.__name__).capitalize()
        sections.append(
            f"\n## {heading}\n{group.__doc__}\n\n| setting | values | default | what it says |\n|---|---|---|---|\n"
            + "".join(rows)
        )
    return {PAGE: _HEAD + "".join(sections)}


def _values(field: FieldInfo) -> str:
    kinds = [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not type(None)]
    named = [f"`{kind}`" if isinstance(kind, str) else {"bool": "`true`, `false`"}.get(kind.__name__) for kind in kinds]
    bounds = [
        f"{words} {getattr(bound, name):,}"
        for bound in field.metadata
        for name, words in _BOUNDS.items()
        if hasattr(bound, name)
    ]
    said = [name or kind.__name__.lower() for name, kind in zip(named, kinds, strict=True)]
    return ", ".join([*said, *bounds])


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "unset"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
