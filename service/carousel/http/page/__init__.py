"""The page at /: what is served, how busy it is, and a place to try it. Plain files, and nothing from elsewhere."""

from carousel.http.page.routes import Page

__all__ = ["Page"]
