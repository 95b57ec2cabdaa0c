"""Pure rules: names, shares, journal, decisions. No I/O, no third party."""
