"""Go templates as the configuration files use them (spec: configure.md, section 3)."""
