"""`python -m asr VERB ...`: see asr/cli.py."""

import signal

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a traceback of imports tells nothing

    from asr.parallel.signals import leave, outside

    outside()
    from asr.cli import main

    leave(main())
