"""Work that takes long or much memory, in processes of their own."""
