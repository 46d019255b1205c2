"""Made on the spot: sounds of noise, and small data directories without a fault, which the tests then spoil."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16000


def sound(path: Path, *, seconds: float = 0.3, rate_hz: int = RATE_HZ, channels: int = 1, seed: int = 0) -> Path:
    """White noise, so that a flac of it does not shrink to nothing."""
    noise = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * rate_hz), channels)).clip(-1, 1)
    soundfile.write(path, noise, rate_hz, subtype="PCM_16")
    return path


def data_dir(folder: Path, texts: dict[str, str], *, speaker_letters: int = 2) -> Path:
    """wav.scp, text, utt2spk and spk2utt for `texts`; the speaker is the start of the key."""
    folder.mkdir(parents=True)
    sounds = folder.parent / f"{folder.name}_sounds"
    sounds.mkdir()
    speakers: dict[str, list[str]] = {}
    for place, key in enumerate(sorted(texts)):
        sound(sounds / f"{key}.wav", seed=place)
        speakers.setdefault(key[:speaker_letters], []).append(key)
    keys = sorted(texts)
    write_lines(folder / "wav.scp", [f"{key} {sounds / key}.wav" for key in keys])
    write_lines(folder / "text", [f"{key} {texts[key]}" for key in keys])
    write_lines(folder / "utt2spk", [f"{key} {key[:speaker_letters]}" for key in keys])
    write_lines(folder / "spk2utt", [f"{speaker} {' '.join(members)}" for speaker, members in speakers.items()])
    return folder


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
