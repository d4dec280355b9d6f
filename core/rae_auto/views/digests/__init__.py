"""The digest as text, Markdown and HTML."""
