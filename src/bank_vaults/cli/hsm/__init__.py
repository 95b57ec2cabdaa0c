"""``bank-vaults hsm``: one file per command (docs/hsm.md)."""
