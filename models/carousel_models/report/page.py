"""The report as one HTML page, which asks nothing of any other place."""

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import tomli_w
from matplotlib.figure import Figure

from carousel_models.training.result import Training

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #20262e; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem } img { max-width: 100%; height: auto } p.verdict { font-size: 1.15rem }
table { border-collapse: collapse } table, pre { display: block; overflow-x: auto }
pre { background: #f4f5f7; padding: 1rem }
th, td { border-bottom: 1px solid #d8dde3; padding: .25rem .8rem; text-align: left } td.number { text-align: right }
.better { color: #2e7d6b } .not { color: #b3394a }
"""


def page_of(training: Training, pictures: Mapping[str, Figure], versions: Mapping[str, str]) -> str:
    """Write the page: verdict, data, figures, pictures by their captions, the stack, the recipe, versions and seed."""
    recipe, splits = training.recipe, training.splits
    scores = training.test.scores
    origin = f"<p>Its settings are {escape(recipe.origin)}.</p>" if recipe.origin else ""
    sections = [
        f'<p class="verdict {"not" if scores.unbeaten else "better"}">{escape(str(scores))}</p>{origin}',
        "<h2>Data</h2>" + _table(("split", "examples", "first", "last"), training.extents) + _missing(training),
        "<h2>Figures of the test split</h2>" + _scores(training),
        *(f"<h2>{escape(caption)}</h2>{_image(figure, caption)}" for caption, figure in pictures.items()),
        "<h2>The model</h2>" + _table(("layer", "kind", "output", "parameters"), training.layers),
        f"<h2>The recipe</h2><pre>{escape(tomli_w.dumps(recipe.tables))}</pre>",
        "<h2>Made with</h2>" + _table(("what", "version"), [*versions.items(), ("seed", recipe.seed)]),
    ]
    title = escape(f"{recipe.name}: a report of carousel train")
    body = "\n".join(sections)
    kind = "forecast" if splits.task == "forecast" else "classification"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body><h1>{escape(recipe.name)}</h1><p>A {kind}.</p>\n{body}\n</body></html>\n"
    )


def _scores(training: Training) -> str:
    scores = training.test.scores
    header = ("output", "figure", "unit", "model", *scores.baselines)
    return _table(
        header,
        [
            (
                *(score.output, score.metric, score.unit, f"{score.model:.4g}"),
                *(f"{figure:.4g}" for figure in score.baselines.values()),
            )
            for score in scores.scores
        ],
    )


def _missing(training: Training) -> str:
    missing = [(name, count) for name, count in training.splits.missing.items() if count]
    if missing:
        return "<h3>Missing values, gaps in time included</h3>" + _table(("column", "values"), missing)
    return "<p>No value is missing.</p>" if training.splits.missing else ""


def _table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, int | float):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"


def _image(figure: Figure, caption: str) -> str:
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return f'<img alt="{escape(caption)}" src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}">'
