"""Pages that show results in a browser."""
