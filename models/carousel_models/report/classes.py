"""Pictures of a classification: which class was taken for which, and whether its certainty can be believed."""

import numpy as np
from matplotlib.figure import Figure

from carousel_models.report.looks import BASELINE, MODEL, TRUTH, beside, figure_of, say
from carousel_models.training.result import Training

BINS = 10
"""Stretches of certainty that are looked at apart."""


def draw_confusion(training: Training) -> Figure:
    """Draw how many test sequences of each class were said to be of which."""
    splits, judged = training.splits, training.test
    size = len(splits.outputs)
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (splits.test.targets, judged.answers.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(5.0, 2 + 0.55 * size)
    figure = figure_of(side + 1, side)
    axes = figure.subplots()
    shading = axes.imshow(shares, cmap="Reds", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.5 else TRUTH
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(size), splits.outputs)
    axes.set_yticks(range(size), splits.outputs)
    figure.colorbar(shading, ax=axes, label="share of the true class", shrink=0.8)
    title = f"{training.recipe.name}: accuracy {beside(judged.scores.decisive[0])}"
    axes.set(title=title, xlabel="said class", ylabel="true class")
    return figure


def draw_calibration(training: Training) -> Figure:
    """Draw how often the model is right by how certain it is; on the diagonal, it is right as often as it says.

    Answers that are no probabilities are drawn as their softmax.
    """
    answers, truth = training.test.answers.astype(np.float64), training.splits.test.targets
    if answers.min() < 0 or not np.allclose(answers.sum(axis=1), 1, atol=1e-3):
        answers = np.exp(answers - answers.max(axis=1, keepdims=True))
        answers /= answers.sum(axis=1, keepdims=True)
    certainty, right = answers.max(axis=1), answers.argmax(axis=1) == truth
    bins = np.minimum((certainty * BINS).astype(int), BINS - 1)
    figure = figure_of(6, 5)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=BASELINE, linewidth=1)
    apart = 0.0
    for each in np.unique(bins):
        said, held, share = certainty[bins == each].mean(), right[bins == each].mean(), (bins == each).mean()
        apart += share * abs(said - held)
        axes.scatter(said, held, s=20 + 400 * share, color=MODEL, alpha=0.8, linewidths=0)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    say(axes, f"Calibration: expected error {apart:.3f}; larger dots hold more sequences", "certainty", "share right")
    return figure
