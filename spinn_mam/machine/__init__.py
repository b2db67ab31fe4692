"""SpiNNaker machines: description, geometry, exchange with the tools' JSON."""
