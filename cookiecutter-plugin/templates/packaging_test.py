
class TestPackaging(InstalledConformance):
    kind, name = "{{ cookiecutter.kind }}", "{{ cookiecutter.name }}"
