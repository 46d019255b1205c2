"""Make miniatures of published corpora: their folders, file formats and known faults, with short sounds."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import soundfile
from repository import ROOT

from asr.cli import main
from asr.corpus.datadir import DataDir

RECIPES = ROOT / "recipes"
SENTENCES = ["今天 天气 很 好", "打开 空调", "明天 去 北京", "谢谢", "再见", "设定 三十 度", "上海 饭店", "你好"]
SENTENCES += ["关灯", "放歌"]


def sound(path: Path, *, seed: int = 0, rate_hz: int = 16000, kind: str | None = None, channels: int = 1) -> Path:
    """Write a quarter of a second of noise that depends only on the file's name and the seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([*path.name.encode(), seed]).normal(0, 0.1, (rate_hz // 4, channels)).clip(-1, 1)
    soundfile.write(path, noise, rate_hz, format=kind or path.suffix[1:].upper())
    return path


def lines(path: Path, *text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in text), encoding="utf-8")
    return path


def command(recipe: str, out: Path, *options: object) -> list[str]:
    """Return the command that prepares a recipe's corpus in `out`."""
    arguments = ["prepare", "--script", RECIPES / recipe / "prepare.py", "--out", out, "--nj", "1", *options]
    return [str(argument) for argument in arguments]


def folder(corpus: Path, *options: object) -> list[str]:
    """Return the command that prepares a folder of recordings in `data` beside it."""
    return command("folder", corpus.parent / "data", "--corpus-dir", corpus, *options)


def prepare(recipe: str, out: Path, *options: object) -> int:
    return main(command(recipe, out, *options))


def sets(out: Path) -> dict[str, DataDir]:
    return {name: DataDir.read(out / name) for name in ("train", "dev", "test")}


def texts(out: Path) -> dict[str, str]:
    """Return {key: transcript} of all sets."""
    return {key: text for data in sets(out).values() for key, text in data.text.items()}


def aishell(root: Path, *, packed: bool = False, per_speaker: int = 30) -> Path:
    """Make data_aishell/: one speaker a set. Train's last sound has no transcript; one transcript has no sound."""
    table = []
    wav = root / "data_aishell" / "wav"
    for name, speaker in (("train", "S0002"), ("dev", "S0724"), ("test", "S0764")):
        for number in range(per_speaker):
            key = f"BAC009{speaker}W{number + 122:04d}"
            sound(wav / name / speaker / f"{key}.wav")
            if number < per_speaker - 1 or name != "train":
                table.append(f"{key} {SENTENCES[number % 10]}{' 了' * (number // 10)}{name.upper()}")
        if packed:
            with tarfile.open(wav / f"{speaker}.tar.gz", "w:gz") as tar:
                tar.add(wav / name, arcname=name)
            for path in sorted((wav / name).rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
            (wav / name).rmdir()
    lines(root / "data_aishell" / "transcript" / "aishell_transcript_v0.8.txt", *table, "BAC009S0002W0999 没有 声音")
    return root


def thchs30(root: Path, *, links: str = "text") -> Path:
    """Make data_thchs30/: train and dev have the same sentences; transcripts are links, or a link's text."""
    for name, speakers, first in (("train", ("A2", "A11"), 0), ("dev", ("B3",), 0), ("test", ("D4",), 500)):
        for speaker in speakers:
            for number in range(first, first + 10):
                stem = f"{speaker}_{number}"
                home = root / "data_thchs30"
                sound(home / "data" / f"{stem}.wav")
                text = SENTENCES[number % 10] + (" 吧" if first else "")
                lines(home / "data" / f"{stem}.wav.trn", text, "jin1 tian1", "j in1 t ian1")
                (home / name).mkdir(exist_ok=True)
                for file in (f"{stem}.wav", f"{stem}.wav.trn"):
                    if links == "symbolic" or file.endswith(".wav"):
                        (home / name / file).symlink_to(f"../data/{file}")
                    else:
                        lines(home / name / file, f"../data/{file}")
    return root


def aishell2(folder: Path, speaker: str, number: int = 20) -> Path:
    """Make the folder of one set: wav.scp and trans.txt with tabs."""
    keys = [f"I{speaker}W{place:04d}" for place in range(number)]
    for key in keys:
        sound(folder / "wav" / speaker / f"{key}.wav")
    lines(folder / "wav.scp", *(f"{key}\twav/{speaker}/{key}.wav" for key in keys))
    texts = (SENTENCES[place % 10].replace(" ", "") + "啊" * (place // 10) + speaker for place in range(number))
    lines(folder / "trans.txt", *(f"{key}\t{text}" for key, text in zip(keys, texts, strict=True)))
    return folder


def commonvoice(root: Path) -> Path:
    """Make zh-TW/: clips at 48 kHz, one table a set, quotes, traditional characters; validated.tsv has all rows."""
    head = "client_id\tpath\tsentence_id\tsentence\tup_votes\tlocale\tsegment"
    rows: dict[str, list[str]] = {}
    for name, client in (("train", "a"), ("dev", "b"), ("test", "c")):
        for number in range(10):
            clip = f"common_voice_zh-TW_{ord(client)}{number:02d}.mp3"
            sound(root / "clips" / clip, rate_hz=48000)
            text = f'"{SENTENCES[number].replace(" ", "，")}，覺得{client.upper()}。"'
            rows.setdefault(name, []).append(f"{client * 128}\t{clip}\t{number}\t{text}\t2\tzh-TW\t")
    for name, some in rows.items():
        lines(root / f"{name}.tsv", head, *some)
    more = f"{'d' * 128}\tcommon_voice_zh-TW_1.mp3\t1\t新的\t2\tzh-TW\t"
    sound(root / "clips" / "common_voice_zh-TW_1.mp3", rate_hz=48000)
    lines(root / "validated.tsv", head, *rows["train"], *rows["dev"], *rows["test"], more)
    return root
