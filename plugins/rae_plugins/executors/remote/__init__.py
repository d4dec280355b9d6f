"""Parts that executors share whose attempts run on other machines; `host` is what runs there."""
