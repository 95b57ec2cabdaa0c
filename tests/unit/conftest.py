"""Settings of all unit tests."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no failure: nothing here asserts on time.
settings.register_profile("bank-vaults", deadline=None)
settings.load_profile("bank-vaults")
