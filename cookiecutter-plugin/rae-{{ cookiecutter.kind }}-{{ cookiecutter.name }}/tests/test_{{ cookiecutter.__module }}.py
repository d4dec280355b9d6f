{% include cookiecutter.__template ~ "/test_plugin.py" %}
{% include "packaging_test.py" %}
