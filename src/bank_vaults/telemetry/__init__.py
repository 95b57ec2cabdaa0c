"""Logs with redaction, metrics, health, systemd notifications, failpoints."""
