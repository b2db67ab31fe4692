"""s16.15 arithmetic: the plain-integer specification and its compiled equal."""
