"""A recording in the formats of others: Neo in NIX or pickle, NEST's text files, Parquet."""
