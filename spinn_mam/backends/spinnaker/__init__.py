"""The spinnaker backend: a network as a PyNN script on sPyNNaker, in a process of its own, on a board, spalloc, EBRAINS or the virtual board.

Only :mod:`spinn_mam.backends.spinnaker.child` and what it calls import sPyNNaker; the rest is plain files and processes.
"""
