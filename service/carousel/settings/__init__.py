"""Every setting once, in groups; and how flags, environment and file are read."""

from carousel.settings.configuration import PREFIX, SettingsRefused, read_policies, read_settings
from carousel.settings.moving import IGNORED, REFUSED, TRANSLATED, Moved, move, policy_of
from carousel.settings.settings import GROUPS, ModelPolicy, Settings

__all__ = [
    "GROUPS",
    "IGNORED",
    "PREFIX",
    "REFUSED",
    "TRANSLATED",
    "ModelPolicy",
    "Moved",
    "Settings",
    "SettingsRefused",
    "move",
    "policy_of",
    "read_policies",
    "read_settings",
]
