"""Who may do what: bearer tokens and JSON Web Tokens checked, whatever protocol they came by."""

from carousel.access.access import Access
from carousel.access.jwt import JsonWebTokens
from carousel.access.scope import Scope
from carousel.access.tokens import Tokens

__all__ = ["Access", "JsonWebTokens", "Scope", "Tokens"]
