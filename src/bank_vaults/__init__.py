"""Initialise, unseal and configure HashiCorp Vault and OpenBao; no key is ever lost."""

__version__ = "0.1.0"
