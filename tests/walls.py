"""How long a test waits for what must come.

A wait ends with its condition; its wall only ends a test that hangs. So it is as long as a stalled machine
may ever need, and costs nothing where all is well. Only a test of a time-out itself has a short one.
"""

WALL_S = 60.0
"""Real seconds; below the time-out of a whole test, so that what was waited for is named."""
