"""Whether the sounds of a data directory can be read, have the rate asked and one channel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asr.console import progress
from asr.corpus.datadir import DataDir, Utterance
from asr.corpus.problems import Problem
from asr.parallel.machine import cores
from asr.sound import audio


def check_sounds(
    path: Path,
    data: DataDir,
    *,
    rate_hz: int | None,
    resample: bool = False,
    allow_pipes: bool = False,
    deep: bool = False,
    nj: int = 0,
    durations: dict[str, float] | None = None,
) -> list[Problem]:
    """Open every sound of `data`: its header and last sample, or with `deep` all of it. Problems in C order.

    `path` is named while it works; `durations` gets every utterance's seconds. Threads: the decoding is libsndfile's.
    """
    if deep:
        groups = [[utterance] for utterance in data.utterances()]
    else:  # a recording is opened once, whatever the number of its segments
        by_recording: dict[tuple[str, int | None], list[Utterance]] = {}
        for utterance in data.utterances():
            by_recording.setdefault((utterance.recording, utterance.channel), []).append(utterance)
        groups = list(by_recording.values())

    def examine(group: list[Utterance]) -> list[Problem]:
        found, duration_s = [], None
        for utterance in group:
            try:
                if duration_s is None:
                    duration_s = _open(utterance, rate_hz, resample, allow_pipes)
                seconds = _check_reach(utterance, duration_s, rate_hz or 16000)
                if deep:
                    _decode(utterance, allow_pipes)
                if durations is not None:
                    durations[utterance.key] = seconds
            except audio.SoundError as error:
                found.append(Problem(error.kind, error.message, str(error.file), None, utterance.key))
        return found

    with ThreadPoolExecutor(nj or cores()) as pool:
        results = list(progress(pool.map(examine, groups), len(groups), f"sounds of {path}"))
    return [problem for result in results for problem in result]


def _open(utterance: Utterance, rate_hz: int | None, resample: bool, allow_pipes: bool) -> float:
    return audio.check(
        utterance.source,
        rate_hz=rate_hz,
        channel=utterance.channel,
        resample=resample,
        allow_pipes=allow_pipes,
        key=utterance.key,
    )


def _decode(utterance: Utterance, allow_pipes: bool) -> None:
    audio.read(
        utterance.source,
        rate_hz=None,  # the rate has been looked at; there is no need to convert
        channel=utterance.channel,
        start_s=utterance.start_s,
        end_s=utterance.end_s,
        allow_pipes=allow_pipes,
        key=utterance.key,
    )


def _check_reach(utterance: Utterance, duration_s: float, rate_hz: int) -> float:
    """Return the seconds of `utterance` in a sound that lasts `duration_s`; SoundError: out of it, or too short."""
    start_s = utterance.start_s or 0.0
    end_s = utterance.end_s if utterance.end_s is not None else duration_s
    if start_s >= duration_s or end_s > duration_s + audio.MAX_OVERSHOOT_S:
        message = f"the segment {start_s:g}-{end_s:g} s is not within the sound's {duration_s:g} s"
        raise audio.SoundError("bad segment", message, file=utterance.source, key=utterance.key)
    seconds = min(end_s, duration_s) - start_s
    speed = utterance.perturb.speed if utterance.perturb else 1.0
    if audio.is_short(seconds, rate_hz, speed):
        message = audio.too_short(seconds, speed)
        raise audio.SoundError("short audio", message, file=utterance.source, key=utterance.key)
    return seconds
