"""Make sounds of noise, small data directories without a fault, and sets of a recipe, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from asr.corpus.gather import Found, Gathered

RATE_HZ = 16000


def sound(path: Path, *, seconds: float = 0.3, rate_hz: int = RATE_HZ, channels: int = 1, seed: int = 0) -> Path:
    """Write white noise, which flac does not compress."""
    noise = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * rate_hz), channels)).clip(-1, 1)
    soundfile.write(path, noise, rate_hz, subtype="PCM_16")
    return path


def data_dir(folder: Path, texts: dict[str, str], *, speaker_letters: int = 2) -> Path:
    """Write wav.scp, text, utt2spk and spk2utt for `texts`. The speaker is the start of the key."""
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


def gathered(folder: Path, name: str, number: int, *, first: int = 0, sentence: str = "") -> Gathered:
    """Return a set of `number` utterances of two speakers, each with its own sound and sentence."""
    folder.mkdir(exist_ok=True)
    one = Gathered(folder)
    for place in range(first, first + number):
        key = f"s{place % 2}-{name}{place:02}"
        path = sound(folder / f"{key}.wav", seconds=0.1, seed=place)
        text = sentence + "一二三四五六七八九十"[place % 10] + "天" * (1 + place // 10)
        one.found.append(Found(key, f"s{place % 2}", path, text, folder / "list.txt", place + 1))
    return one
