"""asr.sound.audio by its first name: scripts of users import it from here."""

from asr.sound.audio import *  # noqa: F403
