"""On a real API server of Kubernetes (docs/development.md)."""
