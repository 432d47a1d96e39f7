"""A version is a folder named by a plain number that holds a saved_model.pb."""

from carousel.artifact import versions


def test_only_whole_versions_are_listed_oldest_first(tmp_path):
    for folder in ("b/10", "b/9", "b/1", "a/2", "a/0", "a/-1", "a/01", "a/1.tmp", "a/²"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "saved_model.pb").touch()
    (tmp_path / "a" / "3").mkdir()
    (tmp_path / "c").mkdir()
    assert versions(tmp_path) == {"a": [2], "b": [1, 9, 10]}


def test_a_repository_that_is_not_there_is_empty(tmp_path):
    assert versions(tmp_path / "not yet") == {}
