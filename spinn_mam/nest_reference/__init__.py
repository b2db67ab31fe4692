"""The reference: NetworkSpec in NEST, ensembles, committed statistics."""
