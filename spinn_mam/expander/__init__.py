"""The network that sPyNNaker's generators make on the machine, made here: from seeds and slices, bit for bit."""
