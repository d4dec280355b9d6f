"""Secrets: options that are references to them, what the references lead to, and texts in which they are masked."""

from rae_auto.toolkit.secrets.secret import Secret, SecretText, to_secret, to_secret_text

__all__ = ["Secret", "SecretText", "to_secret", "to_secret_text"]
