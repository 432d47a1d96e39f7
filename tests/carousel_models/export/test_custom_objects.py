"""`carousel export` reads what a model keeps of its own only by the flag that says so."""

import keras
import pytest

from carousel.cli import main

MODULE = """
import keras

@keras.saving.register_keras_serializable("mine")
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x

    def compute_output_shape(self, shape):
        return shape
"""


@pytest.fixture
def exported(tmp_path, monkeypatch, capsys):
    """Run the command on a file; give its exit status and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(path, *flags):
        status = main(["export", str(path), "--repository", str(tmp_path / "repository"), "--name", "own", *flags])
        return status, capsys.readouterr()

    return run


def test_a_layer_of_ones_own_needs_the_module_that_defines_it(tmp_path, exported):
    (tmp_path / "mine_of_test.py").write_text(MODULE)
    space = {}
    exec(MODULE, space)
    layers = [keras.layers.Input((None, 3)), space["Doubled"](), keras.layers.LSTM(2)]
    keras.Sequential(layers).save(tmp_path / "own.keras")
    del keras.saving.get_custom_objects()["mine>Doubled"]  # another process would not know it
    status, said = exported(tmp_path / "own.keras")
    assert status == 1
    assert "--import MODULE" in said.err
    assert not list((tmp_path / "repository").glob("own/*"))
    status, said = exported(tmp_path / "own.keras", "--import", "mine_of_test")
    assert (status, said.err) == (0, "")
    assert (tmp_path / "repository/own/1/saved_model.pb").exists()


def test_the_code_of_a_lambda_is_run_only_by_the_flag(tmp_path, exported):
    layers = [keras.layers.Input((None, 3)), keras.layers.Lambda(lambda x: 2.0 * x), keras.layers.LSTM(2)]
    keras.Sequential(layers).save(tmp_path / "own.keras")
    status, said = exported(tmp_path / "own.keras")
    assert status == 1
    assert "--unsafe-lambda" in said.err
    status, said = exported(tmp_path / "own.keras", "--unsafe-lambda")
    assert (status, said.err) == (0, "")


def test_a_module_that_is_not_there_is_named(tmp_path, exported):
    status, said = exported(tmp_path / "own.keras", "--import", "no_such_module")
    assert status == 1
    assert "--import no_such_module: ModuleNotFoundError" in said.err
