"""The numbers: every setting with its type, unit, bounds and source, and how they are loaded."""
