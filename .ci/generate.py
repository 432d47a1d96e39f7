"""Write every generated file again, or with --check name those that are out of date.

    python .ci/generate.py [--check]

Each generator is a script with one function, `written`, which gives the text of each of its files.
"""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

GENERATORS = (
    "protos/stubs.py",
    ".ci/blocking_client.py",
    "docs/metrics.py",
    "docs/settings.py",
    "docs/alerts.py",
    "docs/commands.py",
    "docs/turning.py",
    "deploy/grafana/dashboard.py",
    "deploy/kubernetes/components/monitoring/write_rules.py",
)


def written_by(generator: str) -> dict[Path, str]:
    """Have a generator write; its path is relative to the root. Gives the text of each file by its path."""
    name = "generator_" + generator.replace("/", "_").removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, ROOT / generator)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    texts: dict[Path, str] = module.written()
    return texts


def main() -> int:
    """Write, or check."""
    status = 0
    for generator in GENERATORS:
        for file, text in written_by(generator).items():
            if file.exists() and file.read_text() == text:
                continue
            if sys.argv[1:] == ["--check"]:
                name = file.relative_to(ROOT)
                sys.stderr.write(f"{name} is not what {generator} writes; run `make generate`\n")
                status = 1
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
