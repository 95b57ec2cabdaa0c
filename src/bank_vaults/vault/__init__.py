"""The HTTP client for HashiCorp Vault and OpenBao."""
