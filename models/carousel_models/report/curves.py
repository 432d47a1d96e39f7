"""How a fit went, as a picture."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, MaxNLocator

from carousel_models.report.looks import KEPT, MODEL, TRUTH, figure_of, say
from carousel_models.training.result import Training


def draw_loss(training: Training) -> Figure:
    """Draw the loss after each epoch on the training and the validation split, and which epoch was kept."""
    figure = figure_of(8, 4.5)
    axes = figure.subplots()
    history, fit = training.history, training.recipe.fit
    epochs = np.arange(1, len(history.loss) + 1)
    axes.plot(epochs, history.loss, color=TRUTH, label="training")
    axes.plot(epochs, history.val_loss, color=MODEL, label="validation")
    axes.axvline(history.kept, color=KEPT, linestyle="--", linewidth=1, label=f"weights kept: epoch {history.kept}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if min(*history.loss, *history.val_loss) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(FormatStrFormatter("%g"))
    what = fit.loss.class_name.replace("_", " ")
    if training.splits.task == "forecast" and fit.scale_targets:
        what += ", targets in standard deviations"
    say(axes, f"{training.recipe.name}: loss by epoch, without the penalties of regularizers", "epoch", what)
    axes.legend(frameon=False)
    return figure
