"""What can run a network; one protocol."""
