"""What a network takes before anything runs: cores, memory, tables, traffic, time and energy, of the machine and of hosts."""
