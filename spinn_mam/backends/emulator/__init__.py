"""The emulator: s16.15 arithmetic on the host computer, pull by delay, parts that stay in cache."""

import os

# Threads that wait actively take the cores from each other as soon as another process is busy. The threading library reads
# this when the first parallel loop starts.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
