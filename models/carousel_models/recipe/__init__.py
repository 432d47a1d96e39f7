"""What to build and from what: the TOML file, checked."""
