"""What the user did wrong."""

from __future__ import annotations


class UsageError(Exception):
    """A flag, a variable or an argument is wrong. The text says which. It ends the program with 64."""
