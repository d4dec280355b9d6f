"""`python -m rae_auto` is `rae-auto`."""

from rae_auto.cli.entry import main

if __name__ == "__main__":
    raise SystemExit(main())
