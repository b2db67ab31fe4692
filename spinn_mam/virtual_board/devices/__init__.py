"""Devices of a core and of its chip, as callbacks that Unicorn calls for each access to their registers.

Problem
    A core reads and writes device registers hundreds of times in a time step, and each access costs a call from generated
    code. Written in Python that call takes most of the time of a run.
Method
    Each device is a pair of C callbacks compiled by Numba. They work on the core's row of the state array (``state.py``), so
    they need no objects, no locks and no interpreter. Interrupt lines are levels computed from the state when they are
    looked at, never stored twice. A DMA transfer is done at once, when its descriptor is written (but see ``start_transfer``).
Cost
    40 nanoseconds an access.

References
----------
SpiNNaker data sheet version 2.02 (University of Manchester, 2011). ARM PrimeCell VIC (PL190) technical reference manual,
DDI 0181; ARM dual-timer module (SP804), DDI 0271.
"""
