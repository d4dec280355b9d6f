"""Commands that run without click, as far as their calls are plain: see `calls`."""
