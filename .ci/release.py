"""Check that the tree can be released, or print what is new in it.

python .ci/release.py [TAG]       every place that names the version agrees, and with the tag if one is given
python .ci/release.py --notes     the section of CHANGELOG.md on this version

Exit status 1 where something does not agree; each fault is a line on stderr.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def version_of(root: Path) -> str:
    """Read the version that pyproject.toml says."""
    return str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])


def notes_of(root: Path) -> str:
    """Give the CHANGELOG's section on the version; empty without one that is dated and says something."""
    version = re.escape(version_of(root))
    text = (root / "CHANGELOG.md").read_text()
    found = re.search(rf"^## {version} - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() + "\n" if found and found[1].strip() else ""


def faults_of(root: Path, tag: str | None) -> list[str]:
    """Name everything that does not fit a release of the version."""
    version = version_of(root)
    faults = [] if tag in {None, f"v{version}"} else [f"the tag is {tag}, and pyproject.toml says {version}"]
    if not notes_of(root):
        faults.append(f"CHANGELOG.md has no section '## {version} - YYYY-MM-DD'")
    for folder in ("deploy", "docs"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".yaml", ".md"} or path.name.startswith("Containerfile"):
                named = re.findall(r"(?:carousel(?:-\w+)?:|newTag: )(\d+\.\d+\.\d+)", path.read_text())
                faults += [f"{path.relative_to(root)} names {other}" for other in sorted({*named} - {version})]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    said = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    tested = re.findall(r'"(3\.\d+)"', (root / ".github/workflows/ci.yaml").read_text())
    if said != tested:
        faults.append(f"the classifiers name Python {', '.join(said)}, and ci.yaml tests {', '.join(tested)}")
    if project["requires-python"] != f">={tested[0]}":
        faults.append(f"requires-python is {project['requires-python']}, and the oldest tested is {tested[0]}")
    return faults


def main() -> int:
    """Check, or print."""
    if sys.argv[1:] == ["--notes"]:
        sys.stdout.write(notes_of(ROOT))
        return 0
    faults = faults_of(ROOT, sys.argv[1] if sys.argv[1:] else None)
    sys.stderr.write("".join(f"{fault}\n" for fault in faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
