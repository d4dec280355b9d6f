"""The built-in plugins, by kind. The core meets them through entry points, like anybody's."""
