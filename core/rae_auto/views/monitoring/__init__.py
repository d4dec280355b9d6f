"""Views for monitoring: health, metrics, badges."""
