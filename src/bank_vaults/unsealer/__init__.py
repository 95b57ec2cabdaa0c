"""Initialise, unseal, join: the decisions of the domain turned into calls."""
