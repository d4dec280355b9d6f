{% include cookiecutter.__template ~ "/plugin.py" %}
