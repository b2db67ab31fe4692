"""NetworkSpec, the connectivity recipe and its random streams."""
