"""The checks of `rae-auto doctor`: of the machine, the state directory, the configuration, its plugins and services.

Each check is a function that looks at one subject and returns findings; it changes nothing. What it looks at comes in
as a value, `Machine` above all, so that a test can put any fault in its place.
"""
