"""PKCS#11: binding, token selection, PIN guard, ciphers, and the worker process that owns the module."""
