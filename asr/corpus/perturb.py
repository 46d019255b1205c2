"""Add perturbed copies of training data: other speeds, volumes, rooms and noises. They count as frames seen.

Reads   --data: a Kaldi data directory; --noise-dir: sound files of noise, if given
Writes  --out: a data directory with the originals and their copies. A copy has the sound and text of its original;
        utt2uniq names the original, and `perturb` states the perturbation, which is applied when features are made:
        no sound is stored twice. Key and speaker of a copy have a prefix: sp0.9-, sp1.1- (as in Kaldi's
        perturb_data_dir_speed.sh), noisy1-

    python -m asr perturb --data exp/data/train --out exp/data/train_perturbed --speeds 0.9,1.0,1.1 --noisy-copies 1

Copies that are shorter than one window of features are dropped and named, up to --max-missing of all. `python -m asr
features` makes the features, `python -m asr align --originals` the alignments of the copies.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from asr.console import say
from asr.corpus.datadir import FILES, DataDir
from asr.corpus.durations import seconds_of
from asr.corpus.problems import Problem
from asr.corpus.repair import settle
from asr.errors import InputError
from asr.settings import option
from asr.sound import audio
from asr.sound import rooms as acoustics
from asr.sound.perturbation import SPEEDS, Perturbation
from asr.stamp import Stamp

SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".sph")

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 1


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory to read")
    out: Path = option(help="data directory to write", writes="folder", makes=FILES)
    speeds: tuple[float, ...] = option(
        (0.9, 1.0, 1.1), help="makes a copy of all data at each; 1 is the original", least=SPEEDS[0], most=SPEEDS[1]
    )
    volume: tuple[float, ...] = option(
        (0.5, 2.0), help="range of the factors of a copy's volume; 1,1: unchanged", above=0, most=1000
    )
    noisy_copies: int = option(0, help="further copies, at random speeds, in rooms and noise", least=0, most=1000)
    snr_db: tuple[float, ...] = option((5.0, 20.0), help="range of the signal-to-noise ratios", least=-100, most=100)
    reverb_share: float = option(0.5, help="share of the noisy copies in a room", least=0, most=1)
    rt60_s: tuple[float, ...] = option(
        (0.2, 0.6), help="range of the rooms' reverberation times, seconds", least=0.05, below=10
    )
    noise_dir: Path | None = option(
        None, help="folder with sounds of noise; none: white, pink, traffic and hum, made"
    )
    seed: int = option(1, help="of volumes, rooms and noises", least=0)
    max_missing: float = option(
        0.05, help="largest share of the copies that may be dropped as too short", least=0, most=1
    )
    allow_pipes: bool = option(False, help="accept shell commands in wav.scp")


def run(settings: Settings) -> None:
    """Write `out`. Raises InputError for settings that contradict, and for data that is perturbed already."""
    _check(settings)
    tables = [settings.data / name for name in ("wav.scp", "segments", "text", "utt2spk")]
    noises = _noises(settings.noise_dir)
    stamp = Stamp(
        settings.out / ".done.perturb.json",
        "perturb",
        settings,
        [table for table in tables if table.is_file()],
        extra=[noises],
        revision=REVISION,
    )
    if stamp.fresh():
        return
    data = DataDir.read(settings.data, allow_pipes=settings.allow_pipes)
    if data.perturb:
        raise InputError("holds perturbed copies already; name the originals", file=settings.data)
    copies = list(_copies(settings, noises))
    whole = DataDir({}, {}, {}, None if data.segments is None else {}, None, {}, {})
    for prefix, change in copies:
        _add(whole, data, prefix, change)
    whole = settle(settings.data, whole, _short(whole, data), max_missing=settings.max_missing)
    stamp.record(whole.write(settings.out))
    names = ", ".join(prefix.rstrip("-") or "originals" for prefix, _ in copies)
    say(f"perturb: {settings.out}: {len(whole.utt2spk)} utterances of {len(data.utt2spk)}: {names}")


def _short(whole: DataDir, data: DataDir) -> list[Problem]:
    """Return a problem for each copy in `whole` of `data` that is shorter than one window of features.

    The length of an original is that of its segment, in utt2dur, or of its sound. Sounds that cannot be opened are
    skipped (the feature stage names them), and so are pipes.
    """
    changes, originals = whole.perturb or {}, whole.utt2uniq or {}
    if all(change.speed <= 1 for change in changes.values()):
        return []
    seconds = seconds_of(data)
    problems = []
    for item in whole.utterances():
        speed = changes[item.key].speed if item.key in changes else 1.0
        known = seconds.get(originals.get(item.key, item.key))
        if known is not None and audio.is_short(known, 16000, speed):
            problems.append(Problem("short audio", audio.too_short(known, speed), item.source, None, item.key))
    return problems


def _check(settings: Settings) -> None:
    for name in ("volume", "snr_db", "rt60_s"):
        if len(getattr(settings, name)) != 2 or not getattr(settings, name)[0] <= getattr(settings, name)[1]:
            raise InputError(f"perturb: --{name.replace('_', '-')} takes two numbers, LEAST,MOST")
    if len(set(settings.speeds)) < len(settings.speeds) or not settings.speeds:
        raise InputError("perturb: --speeds takes different factors")


def _noises(folder: Path | None) -> list[str]:
    if folder is None:
        return list(acoustics.KINDS)
    if not folder.is_dir():
        raise InputError("no such folder of noises", file=folder)
    found = sorted(str(path.absolute()) for path in folder.rglob("*") if path.suffix.lower() in SOUNDS)
    if not found:
        raise InputError(f"has no sound ({' '.join(SOUNDS)})", file=folder)
    return found


#: the perturbations of a copy's utterances
Perturbations = Iterator[Perturbation]


def _copies(settings: Settings, noises: list[str]) -> Iterator[tuple[str, Perturbations | None]]:
    """Yield (prefix, perturbations without end) of every copy; ("", None) are the originals."""
    for speed in settings.speeds:
        prefix = "" if speed == 1 else f"sp{speed:g}-"
        yield prefix, _stream(settings, prefix, [speed], []) if prefix else None
    for number in range(1, settings.noisy_copies + 1):
        prefix = f"noisy{number}-"
        yield prefix, _stream(settings, prefix, list(settings.speeds), noises)


def _stream(settings: Settings, prefix: str, speeds: list[float], noises: list[str]) -> Perturbations:
    rng = random.Random(f"{prefix} {settings.seed}")
    while True:
        change = Perturbation(rng.choice(speeds), rng.uniform(*settings.volume), None, None, rng.getrandbits(31))
        if noises:
            room = (rng.uniform(*settings.rt60_s), rng.uniform(0.0, 12.0))
            change = replace(
                change,
                room=room if rng.random() < settings.reverb_share else None,
                noise=(rng.uniform(*settings.snr_db), rng.choice(noises)),
            )
        yield Perturbation.parse(change.line())


def _add(whole: DataDir, data: DataDir, prefix: str, changes: Perturbations | None) -> None:
    """Add one copy of every utterance of `data` to `whole`. All copies share the recordings of segments."""
    if data.segments is not None:
        whole.recordings.update(data.recordings)
    for key in data.keys:
        name = prefix + key
        if data.segments is None:
            whole.recordings[name] = data.recordings[key]
        elif whole.segments is not None:
            whole.segments[name] = data.segments[key]
        whole.text[name] = data.text[key]
        whole.utt2spk[name] = prefix + data.utt2spk[key]
        if whole.perturb is not None and whole.utt2uniq is not None:
            whole.utt2uniq[name] = key
            if changes is not None:
                whole.perturb[name] = next(changes)
