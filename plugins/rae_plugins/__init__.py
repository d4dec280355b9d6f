"""The built-in plugins, by kind. The core finds them through entry points, like all other plugins."""
