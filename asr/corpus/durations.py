"""The seconds of the utterances of a data directory: of segments, in utt2dur, or else those of the sound files.

seconds_of(DataDir.read("data/train"))       # {"utt1": 2.43, ...}
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from asr.corpus.datadir import DataDir, Utterance
from asr.parallel.processes import processes_for
from asr.sound import audio
from asr.sound.source import is_pipe


def seconds_of(data: DataDir) -> dict[str, float]:
    """Return the seconds of each utterance whose length is known without running a command.

    Sounds that cannot be opened are skipped, and so are pipes.
    """
    seconds: dict[str, float] = {}
    unknown = []
    for item in data.utterances():
        if item.end_s is not None:
            seconds[item.key] = item.end_s - (item.start_s or 0.0)
        elif data.utt2dur is not None and item.key in data.utt2dur:
            seconds[item.key] = float(data.utt2dur[item.key])
        elif not is_pipe(item.source):
            unknown.append(item)
    with ThreadPoolExecutor(processes_for(0, len(unknown))) as pool:
        for item, known in zip(unknown, pool.map(_seconds, unknown), strict=True):
            if known is not None:
                seconds[item.key] = known
    return seconds


def _seconds(item: Utterance) -> float | None:
    try:
        rate, _, frames = audio.info(item.source, key=item.key)
    except audio.SoundError:
        return None
    return frames / rate - (item.start_s or 0.0)
