"""`python -m engine`: see `engine.commands`."""

import sys


def main() -> int:
    """Run the command line; an interrupt while it is still being imported ends it quietly too."""
    try:
        from engine import commands
    except KeyboardInterrupt:
        return 130
    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
