"""Key stores: where unseal keys live. One file per store, one registry."""
