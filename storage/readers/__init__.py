"""Questions to the books. Imports no NumPy, no pandas and no messages, so that answers start at once."""
