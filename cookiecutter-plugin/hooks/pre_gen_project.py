"""Check the name, which becomes a distribution, a module, a class and a name in configurations."""

import re
import sys

NAME = {{ cookiecutter.name | tojson }}

if not re.fullmatch("[a-z][a-z0-9-]{0,63}", NAME):
    sys.exit(f'invalid name {NAME!r}; use 1 to 64 lowercase letters, digits or "-", beginning with a letter')
