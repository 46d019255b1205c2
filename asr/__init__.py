"""Yibian (一遍, "one pass"): Mandarin speech recognition trained by asynchronous averaged SGD in one pass."""

__version__ = "0.1.0"
