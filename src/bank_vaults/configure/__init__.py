"""Declarative configuration of a server: load, merge, plan, apply, watch (spec: configure.md)."""
