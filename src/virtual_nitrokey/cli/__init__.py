"""``virtual-nitrokey``: sticks on the command line."""
