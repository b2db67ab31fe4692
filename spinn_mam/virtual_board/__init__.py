"""A SpiNNaker board in software: SC&MP as a server, chips, routers and cores that run the shipped ARM binaries."""
