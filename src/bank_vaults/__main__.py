"""``python -m bank_vaults`` is the same program as ``bank-vaults``."""

from bank_vaults.cli.main import main

if __name__ == "__main__":
    main()
