"""Functions of our own: `env`, `file`, `blob`, key services, `accessor`, YAML."""
