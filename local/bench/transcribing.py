"""Measure `asr transcribe`; see transcribing.sh.

python local/bench/transcribing.py EXP MODEL LATIN PAUSE SILENCE
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from kaldialign import edit_distance

from asr.corpus.transcript import characters, normalise
from asr.tables import read_table

MOST_S = 240.0  # of speech in the long recording


def silence(kind: str, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return a pause, int16: digital zeros, random lowest bits, a constant, or the noise of a quiet room."""
    values = {
        "zeros": lambda: np.zeros(samples),
        "dither": lambda: rng.integers(-1, 2, samples),
        "constant": lambda: np.full(samples, 100),
        "room": lambda: rng.normal(0, 10, samples).round(),
    }
    return values[kind]().astype(np.int16)


def transcribed(package: Path, files: list[str], sound: bytes | None = None) -> tuple[list[str], float, float]:
    """Transcribe in a process of its own; return (texts of the segments or files, CPU seconds, seconds)."""
    command = [
        sys.executable,
        "-m",
        "asr",
        "transcribe",
        str(package),
        *files,
        "--format",
        "json",
        "--partials",
        "false",
    ]
    before, started = os.times(), time.monotonic()
    done = subprocess.run(command, input=sound, stdout=subprocess.PIPE, check=True)
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    wall_s, rest, texts = time.monotonic() - started, done.stdout.decode().strip(), []
    while rest:  # one object per file or segment; that of a single file has several lines
        row, end = json.JSONDecoder().raw_decode(rest)
        texts.append(row["text"])
        rest = rest[end:].lstrip()
    return texts, cpu_s, wall_s


def error_rate(references: Iterable[str], found: Iterable[str], latin: str) -> float:
    """Return the character error rate of texts against transcripts, in percent."""
    pairs = [
        (characters(normalise(r), latin=latin), characters(f, latin=latin))
        for r, f in zip(references, found, strict=True)
    ]
    return 100 * sum(edit_distance(r, f)["total"] for r, f in pairs) / sum(len(r) for r, _ in pairs)


def main() -> None:
    """Print the table."""
    exp, model, latin = Path(sys.argv[1]), Path(sys.argv[1]) / sys.argv[2], sys.argv[3]
    pause_s, kind, rng = float(sys.argv[4]), sys.argv[5], np.random.default_rng(0)
    text, files = read_table(exp / "data/test/text"), read_table(exp / "data/test/wav.scp")
    hypotheses = read_table(model / "decode_test/hyp.txt", allow_empty=True)
    keys = [key for key in sorted(text, key=str.encode) if key in files]
    with tempfile.TemporaryDirectory() as folder:
        package, joined = Path(folder) / "packaged", Path(folder) / "joined.wav"
        packing = [sys.executable, "-m", "asr", "package", "--model", str(model), "--graph", str(model / "graph")]
        packing += ["--train-data", str(exp / "data/train"), "--out", str(package)]
        subprocess.run(packing, check=True, stdout=subprocess.DEVNULL)
        parts: list[np.ndarray] = []
        used: list[str] = []
        for key in keys:
            sound, rate = soundfile.read(files[key], dtype="int16")
            if (sum(map(len, parts[::2])) + len(sound)) / rate > MOST_S:
                break
            parts += [sound, silence(kind, int(pause_s * rate), rng)]
            used.append(key)
        long = np.concatenate(parts)
        soundfile.write(joined, long, rate)
        stream = io.BytesIO()
        soundfile.write(stream, long, rate, format="WAV")
        all_s = sum(soundfile.info(files[key]).duration for key in keys)
        print(f"{'':<44} {'sound s':>8} {'CPU s / s':>10} {'clock':>7} {'%CER':>7}")
        whole = [hypotheses[key] for key in keys], text
        print(
            f"{f'{len(keys)} utterances, asr decode':<44} {all_s:>8.0f} {'':>10} {'':>7} "
            f"{error_rate([text[key] for key in keys], whole[0], latin):>7.2f}"
        )
        by_itself = (f"{len(keys)} files, each by itself", [files[key] for key in keys], None, keys, all_s)
        for name, names, sound, wanted, length in (
            *([] if pause_s else [by_itself]),  # a pause does not change it
            (f"{len(used)} files joined", [str(joined)], None, used, len(long) / rate),
            (f"{len(used)} files joined, standard input", ["-"], stream.getvalue(), used, len(long) / rate),
        ):
            texts, cpu_s, wall_s = transcribed(package, names, sound)
            references = [text[key] for key in wanted]
            if len(names) == 1:
                texts, references = ["".join(texts)], ["".join(references)]
            rate_of_errors = error_rate(references, texts, latin)
            print(f"{name:<44} {length:>8.0f} {cpu_s / length:>10.3f} {wall_s / length:>7.3f} {rate_of_errors:>7.2f}")
        print(
            f"{f'those {len(used)} utterances, asr decode':<44} {'':>8} {'':>10} {'':>7} "
            f"{error_rate([text[key] for key in used], [hypotheses[key] for key in used], latin):>7.2f}"
        )


main()
