"""Whether the machine would keep up: cycles of each core in each time step, as a bracket; modelled, not measured."""
