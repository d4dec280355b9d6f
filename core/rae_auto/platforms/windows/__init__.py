"""The platform code of Windows: files, rights and signals, by its own libraries."""
