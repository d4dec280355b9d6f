"""TOML files: reading, the lines of their keys, and hints on mistakes of syntax."""
