"""`python -m asr VERB ...`: see asr/cli.py."""

import sys

from asr.cli import main

if __name__ == "__main__":
    sys.exit(main())
