"""`python -m engine`: see `engine.commands.main`."""

import sys

from engine.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
