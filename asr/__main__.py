"""Run `python -m asr VERB ...`: see asr/cli.py."""

import signal

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a traceback of imports is of no use

    from asr.parallel.signals import exit_with, install_quiet_handlers

    install_quiet_handlers()
    from asr.cli import main

    exit_with(main())
