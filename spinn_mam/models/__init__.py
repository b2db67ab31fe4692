"""Model documents, their schema, derived parameters and scaling."""
