"""The front door: `python -m runtime`."""

import sys

from tui.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
