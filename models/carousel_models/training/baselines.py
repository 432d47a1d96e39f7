"""Simple methods that a model must better to be worth serving."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from carousel_models.data.examples import Examples, Splits

MAX_EXAMPLES = 20_000
"""Training examples that a linear baseline is fitted to, evenly spaced where there are more: some seconds, 100 MB."""

AT_ONCE = 10_000
"""Examples that a linear baseline speaks of at once."""

PENALTIES = np.logspace(-3, 5, 17)
"""Strengths of the L2 penalty that are tried; the validation split decides between them."""

Say = Callable[[Examples], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Baselines:
    """What a model is compared with.

    Attributes:
        fitted: What each method that was fitted to the training split says of examples, by its name.
    """

    fitted: Mapping[str, Say]

    def said(self, examples: Examples) -> dict[str, NDArray[Any]]:
        """Give what every baseline says of `examples`, by its name; each like the examples' targets."""
        parts = [_rows(examples, slice(at, at + AT_ONCE)) for at in range(0, len(examples), AT_ONCE)]
        said = {name: np.concatenate([say(part) for part in parts]) for name, say in self.fitted.items()}
        return {**examples.guesses, **said}


def baselines_of(splits: Splits) -> Baselines:
    """Fit linear baselines to the training split; the validation split chooses the strength of their penalty.

    A forecast is compared with ridge regression on all numbers of the window, beside the guesses that the examples
    carry (persistence). Classes are compared with the majority class and with logistic regression: on the mean
    timestep, or for texts on how often each word stands in them.
    """
    train = _some(splits.train)
    if splits.task == "forecast":
        return Baselines({"ridge regression": _ridge(train, _some(splits.validation))})
    validation, majority = _some(splits.validation), {"the majority class": _majority(train)}
    if splits.vocabulary:
        bags = partial(_bags, len(splits.vocabulary))
        return Baselines(
            {**majority, "logistic regression on words": _logistic(train, validation, bags, MaxAbsScaler())}
        )
    return Baselines({**majority, "logistic regression": _logistic(train, validation, _means, StandardScaler())})


def _some(examples: Examples) -> Examples:
    step = -(-len(examples) // MAX_EXAMPLES)
    return _rows(examples, slice(None, None, step))


def _rows(examples: Examples, rows: slice) -> Examples:
    return Examples(examples.inputs[rows], examples.targets[rows], examples.at[rows])


def _ridge(train: Examples, validation: Examples) -> Say:
    truth = validation.targets.astype(np.float64)
    spread = np.maximum(train.targets.var(axis=0, dtype=np.float64), np.finfo(np.float64).tiny)
    judged = _flat(validation)

    def error(model: Any) -> float:
        return float((np.square(model.predict(judged).reshape(truth.shape) - truth).mean(axis=0) / spread).mean())

    models = [
        make_pipeline(StandardScaler(), Ridge(penalty)).fit(_flat(train), train.targets.astype(np.float64))
        for penalty in PENALTIES
    ]
    best = min(models, key=error)
    return lambda examples: best.predict(_flat(examples)).reshape(examples.targets.shape).astype(np.float32)


def _majority(train: Examples) -> Say:
    model = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(train), 1)), train.targets)
    return lambda examples: model.predict(np.zeros((len(examples), 1)))


def _logistic(train: Examples, validation: Examples, seen: Callable[[Examples], Any], scaler: Any) -> Say:
    classes = np.unique(train.targets)
    learnt, judged = seen(train), seen(validation)

    def error(model: Any) -> float:
        return float(log_loss(validation.targets, model.predict_proba(judged), labels=classes))

    models = [
        make_pipeline(clone(scaler), LogisticRegression(C=1 / penalty, max_iter=1000)).fit(learnt, train.targets)
        for penalty in PENALTIES
    ]
    best = min(models, key=error)
    return lambda examples: best.predict(seen(examples))


def _flat(examples: Examples) -> NDArray[np.float64]:
    return np.stack([np.ravel(window) for window in examples.inputs]).astype(np.float64)


def _means(examples: Examples) -> NDArray[np.float64]:
    return np.stack([sequence.mean(axis=0, dtype=np.float64) for sequence in examples.inputs])


def _bags(size: int, examples: Examples) -> csr_matrix:
    """Count how often each of `size` tokens stands in each text: [examples, size]."""
    lengths = examples.lengths
    rows = np.repeat(np.arange(len(lengths)), lengths)
    tokens = np.concatenate(list(examples.inputs))
    return csr_matrix((np.ones(len(tokens)), (rows, tokens)), (len(lengths), size))
