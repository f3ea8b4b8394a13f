"""``python -m hvpzip``: the command line."""

import sys

from hvpzip.cli import main

if __name__ == "__main__":
    sys.exit(main())
