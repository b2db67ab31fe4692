"""Activity counts times energy tables: modelled energy with its interval."""
