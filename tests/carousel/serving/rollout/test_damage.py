"""Whatever lies in the repository, and whatever becomes of it: what serves goes on, and what is served is whole."""

import os
import shutil
import threading

import pytest

from carousel.errors import ModelNotFound
from carousel.serving import Catalog, Limits, Loader, Model, Policies, Rollout, Sessions
from carousel.serving.rollout import rollout as following
from carousel.settings import ModelPolicy


class Admitting:
    """Counts backlogs and admits all."""

    def apart(self):
        """Admit all as well."""
        return self

    def count(self, backlog):
        """Take notice."""

    def discount(self, backlog):
        """Take notice."""


class Followed:
    """A repository of copies of the small model, its catalog, and a rollout that looks when it is told to."""

    def __init__(self, repository, source, **options):
        self.repository, self.source = repository, source
        self.folder = repository / "small"
        self.catalog = Catalog(Sessions(Limits(), max_open=9, max_per_scope=9, idle_seconds=60))
        self.policies = options.pop("policies", Policies(1))
        standard = {"choice": "auto", "threads": 1, "pause": 60}
        self.rollout = Rollout(
            repository, self.catalog, lambda f: f(), self._add, policies=self.policies, **standard | options
        )

    def _add(self, version):
        self.catalog.add(Model(version, Admitting(), lambda function: function()))

    def copy(self, number):
        """Put a whole version there."""
        return shutil.copytree(self.source, self.folder / str(number))

    def look(self):
        """Look once, and say what is served: (version, engine, fingerprint)."""
        self.rollout.look()
        return [(model.version.number, model.version.engine.name) for model in self.catalog]

    @property
    def reasons(self):
        """Why what is rejected is."""
        return "; ".join(self.rollout.rejections.reasons.values())


@pytest.fixture
def follow(tmp_path, repository):
    """Follow a repository with version 1 of the small model, served by ONNX Runtime."""

    def start(**options):
        followed = Followed(tmp_path, repository / "small" / "1", **options)
        followed.copy(1)
        assert followed.look() == [(1, "onnx")]
        return followed

    return start


def big(path):
    """Make a file of 3 GB that takes no room."""
    with path.open("wb") as file:
        file.truncate(3 << 30)


PROTOBUF, MANIFEST, LOOP = "saved_model.pb", "assets.extra/manifest.json", "variables/loop"
ODD = {
    "a pipe for a protobuf": (PROTOBUF, os.mkfifo, "saved_model.pb: is a pipe"),
    "a pipe for a manifest": (MANIFEST, os.mkfifo, "manifest.json: is a pipe"),
    "a device": (PROTOBUF, lambda path: path.symlink_to("/dev/zero"), "saved_model.pb: is a device"),
    "3 GB for a protobuf": (PROTOBUF, big, "has 3221225472 bytes, expected at most"),
    "3 GB for a manifest": (MANIFEST, big, "has 3221225472 bytes, expected at most"),
    "a link to itself": (PROTOBUF, lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "a loop of folders": (LOOP, lambda path: path.symlink_to(path.parent.parent), "is a loop of links"),
    "a broken link": (PROTOBUF, lambda path: path.symlink_to("gone"), "No such file"),
    "an empty protobuf": (PROTOBUF, lambda path: path.write_bytes(b""), "has no graph tagged 'serve'"),
    "nonsense for a manifest": (MANIFEST, lambda path: path.write_bytes(b"{"), "is not a manifest"),
}


@pytest.mark.parametrize("damage", ODD)
def test_what_is_no_version_is_refused_by_name_without_being_read(follow, damage):
    """Pipes would block, devices and huge files fill the memory: none is opened."""
    followed = follow()
    where, make, words = ODD[damage]
    path = followed.copy(2) / where
    path.unlink(missing_ok=True)
    make(path)
    assert followed.look() == [(1, "onnx")]
    assert words in followed.reasons


def test_names_that_are_no_versions_are_passed_over_or_refused(follow, caplog):
    """A version above 2**63-1 fits no message; hidden folders belong to mounts and version control."""
    followed = follow()
    for name in (str(2**63), "9" * 200, ".2", "02", "2.tmp"):
        shutil.copytree(followed.source, followed.folder / name)
    shutil.copytree(followed.folder, followed.repository / ".hidden")
    (followed.repository / os.fsdecode(b"\xff")).mkdir()
    assert followed.look() == followed.look() == [(1, "onnx")]
    assert caplog.text.count("the largest version is 9223372036854775807") == 2
    assert followed.catalog.names == {"small"}


def test_a_copy_that_grows_file_by_file_is_served_once_it_is_whole_and_never_before(follow):
    """Whatever the order of the files, the healthy version stays until the new one is as good as it."""
    followed = follow(pause=0.0)
    target = followed.folder / "2"
    files = sorted(path for path in followed.source.rglob("*") if path.is_file())
    for path in files[::-1]:
        (target / path.relative_to(followed.source)).parent.mkdir(parents=True, exist_ok=True)
        half = path.read_bytes()[: path.stat().st_size // 2]
        (target / path.relative_to(followed.source)).write_bytes(half)
        assert followed.look() == [(1, "onnx")]
        if path != files[0]:
            shutil.copy(path, target / path.relative_to(followed.source))
            assert followed.look() == [(1, "onnx")]
    shutil.copy(files[0], target / files[0].relative_to(followed.source))
    assert followed.look() == [(2, "onnx")]


def test_files_have_to_stand_still_before_they_are_loaded(follow):
    """A version whose files changed a moment ago may be half a copy, though it would load."""
    followed = follow()
    followed.rollout.copying.settle = 3600
    followed.copy(2)
    assert followed.look() == followed.look() == [(1, "onnx")]
    assert followed.rollout.loads == {"loaded": 1}
    followed.rollout.copying.settle = 0.0
    assert followed.look() == [(2, "onnx")]


@pytest.mark.parametrize("lost", ["manifest.json", "cell_graph.onnx"])
def test_a_version_that_lost_a_promise_takes_no_healthy_ones_place(follow, lost):
    """Not while the healthy one is served, not after a restart, and not but by a setting."""
    followed = follow()
    (followed.copy(2) / "assets.extra" / lost).unlink()
    assert followed.look() == [(1, "onnx")]
    assert "would be served without what version 1 has" in followed.reasons
    again = Followed(followed.repository, followed.source)
    assert again.look() == [(1, "onnx")]
    assert Followed(followed.repository, followed.source, allow_fallback=True).look() == [(2, "tensorflow")]
    shutil.rmtree(followed.folder / "1")
    assert Followed(followed.repository, followed.source).look() == [(2, "tensorflow")]


def move(path):
    """Move away what is there."""
    path.rename(path.with_name(f".{path.name}"))


def restore(path):
    """Bring it back."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    path.with_name(f".{path.name}").rename(path)


def replaced_by(kind):
    """Make something else in the place of a folder."""
    return {
        "nothing": lambda _path: None,
        "an empty folder": lambda path: path.mkdir(),
        "a file": lambda path: path.write_bytes(b"x"),
        "a broken link": lambda path: path.symlink_to("gone"),
        "a link to itself": lambda path: path.symlink_to(path.name),
    }[kind]


@pytest.mark.parametrize("kind", ["nothing", "an empty folder", "a file", "a broken link", "a link to itself"])
@pytest.mark.parametrize("of", ["repository", "model"])
def test_a_folder_that_cannot_be_read_keeps_what_is_served_and_says_so(tmp_path, repository, caplog, of, kind):
    """Unmounted, moved, or not answering: that is no removal. What can be read again is followed again."""
    followed = Followed(tmp_path / "repository", repository / "small" / "1")
    followed.copy(1)
    assert followed.look() == [(1, "onnx")]
    path = followed.repository if of == "repository" else followed.folder
    move(path)
    replaced_by(kind)(path)
    assert followed.look() == followed.look() == [(1, "onnx")]
    assert list(followed.rollout.folders.unreadable) == [path]
    assert caplog.text.count(f"cannot read {path}") == 1
    restore(path)
    followed.copy(2)
    assert followed.look() == [(2, "onnx")]
    assert not followed.rollout.folders.unreadable


def test_an_explicit_removal_of_a_version_retires_it(follow):
    """The last version of a model as well, as long as the model's own folder is there."""
    followed = follow()
    followed.copy(2)
    assert followed.look() == [(2, "onnx")]
    shutil.rmtree(followed.folder / "2")
    assert followed.look() == [(1, "onnx")]
    shutil.rmtree(followed.folder / "1")
    assert followed.look() == []
    assert not followed.rollout.folders.unreadable
    shutil.rmtree(followed.folder)
    assert followed.look() == []


def test_the_same_number_with_other_content_is_loaded_beside_and_swapped(follow, repository):
    """One truth a number; files that were only touched change nothing."""
    followed = follow()
    before = followed.catalog.find("small")
    for path in (followed.folder / "1").rglob("*"):
        os.utime(path)
    followed.look()
    assert followed.catalog.find("small") is before
    shutil.rmtree(followed.folder / "1")
    shutil.copytree(repository / "relu50" / "1", followed.folder / "1")
    followed.look()
    after = followed.catalog.find("small")
    assert after.version.number == 1
    assert after.version.fingerprint != before.version.fingerprint
    assert before.closing


def test_a_stuck_load_is_seen_and_holds_up_no_other(follow, monkeypatch, caplog):
    """It is tried once, said once, and taken when it ends after all."""
    followed = follow(timeout=0.2)
    real, go_on = following.load_version, threading.Event()

    def slow(folder, *rest, **options):
        if folder.name == "2":
            go_on.wait(60)
        return real(folder, *rest, **options)

    monkeypatch.setattr(following, "load_version", slow)
    followed.rollout._loading._timeout = 0.2
    followed.copy(2)
    shutil.copytree(followed.source, followed.repository / "other" / "1")
    followed.rollout.look()
    followed.rollout._loading._timeout = 60
    followed.rollout.look()
    assert followed.catalog.names == {"small", "other"}
    assert followed.rollout.loads["stuck"] == caplog.text.count("the load has not ended") == 1
    go_on.set()
    followed.rollout._loading._stuck[followed.folder / "2"].ended.wait(60)
    assert (2, "onnx") in followed.look()


def test_the_thread_survives_whatever_is_raised(follow, monkeypatch, caplog):
    """A look that fails is logged, and the next one is made."""
    followed = follow()
    failing, looked = [3], threading.Event()
    real = following.read_repository

    def fails_at_first(repository):
        if failing[0]:
            failing[0] -= 1
            raise RecursionError("too deep")
        looked.set()
        return real(repository)

    monkeypatch.setattr(following, "read_repository", fails_at_first)
    loader = Loader(followed.rollout, followed.policies, lambda f: f(), every=0.01)
    loader.start(lambda: None)
    assert looked.wait(30)
    loader.stop()
    assert caplog.text.count("RecursionError: too deep") == 3


def test_policies_say_which_versions_are_served_and_labels_name_them(follow):
    """The newest, all, or those listed; a labelled one in any case."""
    followed = follow()
    for number in (2, 3):
        followed.copy(number)

    def served(**policy):
        followed.policies._policies = {"small": ModelPolicy(**policy)}
        return [number for number, _ in followed.look()]

    assert served(keep_versions=2) == [2, 3]
    assert served(versions="all") == [1, 2, 3]
    assert served(versions=[1]) == [1]
    assert served(versions=[3], labels={"stable": 2}) == [2, 3]
    assert followed.catalog.find("small", label="stable").version.number == 2
    assert served(labels={"stable": 1}) == [1, 3]
    with pytest.raises(ModelNotFound):
        followed.catalog.find("small", 2)
