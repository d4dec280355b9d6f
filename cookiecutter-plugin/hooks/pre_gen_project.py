"""The name becomes a distribution, a module, a class and the word in a configuration."""

import re
import sys

NAME = {{ cookiecutter.name | tojson }}

if not re.fullmatch("[a-z][a-z0-9-]{0,63}", NAME):
    sys.exit(f"name {NAME!r} must be 1 to 64 small letters, digits or '-', and begin with a letter")
