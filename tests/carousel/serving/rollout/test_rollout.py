"""The catalog follows the repository: what is new is served, what is bad is said once, what is gone is retired."""

import math
import shutil

import pytest

from carousel.errors import GoingAway, ModelNotFound
from carousel.serving import Catalog, Limits, Model, Policies, Rollout, Sessions


class Admitting:
    """Counts backlogs and admits all."""

    def apart(self):
        """Admit all as well."""
        return self

    def count(self, backlog):
        """Take notice."""

    def discount(self, backlog):
        """Take notice."""


@pytest.fixture
def follow(only):
    """A repository of the small model, its catalog, and a rollout that looks when it is told to."""
    folder = only("small")
    catalog = Catalog(Sessions(Limits(), max_open=9, max_per_scope=9, idle_seconds=60))

    def add(version):
        catalog.add(Model(version, Admitting(), lambda function: function()))

    rollout = Rollout(folder, catalog, lambda f: f(), add, policies=Policies(1), choice="onnx", threads=1)
    rollout.look()
    return folder / "small", catalog, rollout


def test_a_new_version_takes_over_and_the_old_one_takes_no_more(follow):
    folder, catalog, rollout = follow
    old = catalog.find("small")
    (folder / "2").symlink_to((folder / "1").resolve())
    rollout.look()
    assert catalog.find("small").version.number == 2
    with pytest.raises(ModelNotFound, match="has no version 1"):
        catalog.find("small", 1)
    with pytest.raises(GoingAway):
        old.admit("", 1, 5, 5, math.inf)
    assert old in catalog.all_versions()
    catalog.sweep()
    assert old not in catalog.all_versions()


def test_a_bad_version_is_said_once_and_the_old_one_serves_on(follow, caplog):
    folder, catalog, rollout = follow
    (folder / "2").mkdir()
    (folder / "2" / "saved_model.pb").write_bytes(b"no model at all")
    for _ in range(3):
        rollout.look()
    assert catalog.find("small").version.number == 1
    assert rollout.loads == {"loaded": 1, "rejected": 1}
    assert caplog.text.count("rejected") == 1
    assert "is not a SavedModel" in rollout.rejections.reasons["small", 2]


def test_a_version_that_is_removed_is_retired(follow):
    folder, catalog, rollout = follow
    shutil.rmtree(folder / "1") if not (folder / "1").is_symlink() else (folder / "1").unlink()
    rollout.look()
    assert len(catalog) == 0
    with pytest.raises(ModelNotFound, match="served are: none yet"):
        catalog.find("small")
