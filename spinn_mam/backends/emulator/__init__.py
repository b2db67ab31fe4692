"""The software emulator of SpiNNaker's cores."""
