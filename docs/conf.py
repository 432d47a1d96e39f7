"""Sphinx: `make docs` builds these pages with warnings as errors."""

from pygments.lexers.special import TextLexer
from sphinx.highlighting import lexers

import carousel

project = "Carousel"
author = "The Carousel authors"
release = version = carousel.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "Carousel"
myst_heading_anchors = 4
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = True

lexers["haproxy"] = TextLexer()  # Pygments knows no such language
