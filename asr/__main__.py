"""`python -m asr VERB ...`: see asr/cli.py."""

from asr.cli import main
from asr.signals import leave

if __name__ == "__main__":
    leave(main())
