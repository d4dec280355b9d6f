"""Every code that a person can meet, with its cause and its remedy: for `rae-auto explain` and the pages of codes."""
