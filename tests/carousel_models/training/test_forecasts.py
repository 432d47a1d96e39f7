"""Every form of forecast is trained from file to report: horizons, groups, words, times, what is known ahead."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from carousel.artifact import read_manifest, read_signature
from carousel.engines import load_engine
from carousel_models.export import export
from carousel_models.training import train

RECIPE = """
name = "shops"
[source]
kind = "table"
file = "sales-*.csv"
time = "day"
group = "shop"
features = ["sales", "sky"]
known = ["holiday"]
categories = { sky = ["rain", "sun"] }
time_features = ["weekday"]
targets = ["sales", "visits"]
measured_in = { sales = "EUR" }
timesteps = 5
horizon = [1, 2, 3]
season = 7
missing = "drop"
walk_forward = 1
[[stack]]
units = 3
[[heads]]
units = 6
[fit]
loss = "mse"
epochs = 1
"""


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """Train on two shops, a file a month, some days missing."""
    folder = tmp_path_factory.mktemp("shops")
    days = pd.date_range("2024-01-01", "2024-04-30")
    chance = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "day": np.repeat(days, 2),
            "shop": ["north", "south"] * len(days),
            "sky": chance.choice(["rain", "sun"], 2 * len(days)),
            "holiday": np.repeat(days.dayofweek == 6, 2).astype(int),
            "sales": 100 + chance.normal(size=2 * len(days)),
            "visits": 1000 + chance.normal(size=2 * len(days)),
        }
    ).drop(index=[40, 41, 90])
    for month, of_month in rows.groupby(rows["day"].dt.month):
        of_month.to_csv(folder / f"sales-{month}.csv", index=False)
    (folder / "recipe.toml").write_text(RECIPE, "utf-8")
    return train(folder / "recipe.toml", folder / "out", quiet=True)


def test_every_output_is_judged_beside_every_baseline(shops):
    """In raw units, for each target at each horizon; and once more for a test split before."""
    report = json.loads(shops.report[0].read_text("utf-8"))
    outputs = ["sales +1", "visits +1", "sales +2", "visits +2", "sales +3", "visits +3"]
    assert report["outputs"] == outputs
    decisive = [score for score in report["test"] if score["metric"] == "mse"]
    assert [score["output"] for score in decisive] == outputs
    assert [score["unit"] for score in decisive] == ["(EUR)²", ""] * 3
    assert all(
        set(score["baselines"]) == {"persistence", "seasonal persistence", "ridge regression"} for score in decisive
    )
    assert [len(scores) for scores in report["earlier"]] == [len(report["test"])]
    assert "1 test splits earlier: The model is" in str(shops)


def test_the_report_names_the_inputs_in_the_order_that_a_client_sends_them(shops):
    """What was words and times in the file are numbers in the request."""
    report = json.loads(shops.report[0].read_text("utf-8"))
    assert report["inputs"] == [
        *("sales", "sky=rain", "sky=sun", "weekday sine", "weekday cosine"),
        *("holiday +1", "holiday +2", "holiday +3"),
    ]
    model = keras.models.load_model(shops.model)
    assert model.input_shape == (None, None, 8)
    with np.load(shops.held_out) as held_out:
        window = held_out["inputs_0"]
        assert window.shape == (5, 8)
        assert set(window[:, 1] + window[:, 2]) == {1}
        np.testing.assert_allclose(model.predict(window[None], verbose=0)[0], held_out["predictions"][0], rtol=1e-4)
        assert 90 < held_out["predictions"][:, 0].mean() < 110
        assert 900 < held_out["predictions"][:, 1].mean() < 1100


@pytest.fixture(scope="module")
def decoded(shops, tmp_path_factory):
    """Train on the same shops with a decoder."""
    said = RECIPE.replace("[[heads]]\nunits = 6", "[[decoder]]\nunits = 4\n[[heads]]\nunits = 2")
    folder = shops.model.parents[1]
    path = folder / "decoder.toml"
    path.write_text(said.replace("walk_forward = 1\n", ""), "utf-8")
    return train(path, tmp_path_factory.mktemp("decoded"), quiet=True)


def test_a_decoder_forecasts_a_sequence_of_horizons(decoded):
    """A timestep for each horizon, a unit for each target, in raw units; judged as the vector of them is."""
    model = keras.models.load_model(decoded.model)
    assert model.output_shape == (None, 3, 2)
    assert [layer.name for layer in model.layers][1:4] == ["lstm_0", "for_each_horizon", "lstm_1"]
    report = json.loads(decoded.report[0].read_text("utf-8"))
    assert report["outputs"] == ["sales +1", "visits +1", "sales +2", "visits +2", "sales +3", "visits +3"]
    with np.load(decoded.held_out) as held_out:
        assert held_out["targets"].shape == held_out["predictions"].shape
        answer = model.predict(held_out["inputs_0"][None], verbose=0)[0]
        np.testing.assert_allclose(answer.ravel(), held_out["predictions"][0], rtol=1e-4)
    assert 90 < answer[:, 0].mean() < 110
    assert 900 < answer[:, 1].mean() < 1100


def test_a_decoded_forecast_is_exported_as_a_sequence(decoded, tmp_path):
    """It has as many timesteps as horizons, whatever the window has, on the engine that serves."""
    folder = export(decoded.model, tmp_path, "shops")
    manifest = read_manifest(folder)
    assert manifest.cell_graph
    assert manifest.outputs[0].shape == (None, 3, 2)
    signature = manifest.complete(read_signature(folder))
    engine, _ = load_engine(folder, signature, manifest)
    with np.load(decoded.held_out) as held_out:
        outputs, _ = engine.run(held_out["inputs_0"][:, None], np.zeros((1, 0), np.float32))
        assert outputs.shape == (3, 1, 2)
        np.testing.assert_allclose(outputs.ravel(), held_out["predictions"][0], rtol=1e-4)
