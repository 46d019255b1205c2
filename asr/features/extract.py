"""Compute the features of a data directory: filter banks or MFCC, pitch, and normalisation statistics.

Reads   --data: wav.scp [segments] utt2spk [perturb]
Writes  --out: feats.N.ark feats.N.scp stats.N.ark (a shard of utterances each) cmvn.ark
        --data: feats.scp cmvn.scp utt2num_frames features.json
After a killed run, the same command computes the missing shards. The numbers do not depend on --nj.

    python -m asr features --data exp/mini/data/train --out exp/mini/features/train
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.console import progress, say, warn
from asr.corpus.datadir import DataDir, Utterance
from asr.errors import InputError, named_first
from asr.features import normalise
from asr.features.compute import FeatureConfig, compute
from asr.features.reader import DESCRIPTION
from asr.files import write_json
from asr.kaldi.archives import read_matrices, write_matrices
from asr.parallel.pool import Pool
from asr.parallel.processes import processes_for
from asr.settings import as_dict, option
from asr.sound.source import located
from asr.stamp import Stamp
from asr.tables import read_table, write_table

#: utterances in a shard; a constant, so that the archives do not depend on --nj
SHARD_UTTERANCES = 250

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 1


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory", updates=True)
    out: Path = option(help="folder for the archives", writes="folder")
    kind: str = option("fbank", help="kind of features", choices=("fbank", "mfcc"))
    mel_bins: int = option(
        0, help="mel bins; 0: 40 for fbank, 23 for mfcc, as in Kaldi's recipes", least=0, most=1000
    )
    num_ceps: int = option(13, help="cepstra, for mfcc", least=1, most=1000)
    pitch: bool = option(True, help="append Kaldi's three pitch features")
    rate_hz: int = option(16000, help="sample rate of the sound", least=1000, most=10**6)
    resample: bool = option(False, help="resample sound of a higher rate to --rate-hz")
    norm: str = option("speaker", help="normalise by speaker or utterance", choices=("speaker", "utterance", "none"))
    norm_vars: bool = option(True, help="normalise the variance too")
    compress: bool = option(False, help="write Kaldi's compressed archives: a quarter of the size")
    max_missing: float = option(0.05, help="largest share of the utterances that may be left out", least=0, most=1)
    allow_pipes: bool = option(False, help="run commands in wav.scp", affects=False)
    nj: int = option(0, help="processes; 0: one per core", least=0, affects=False)

    @property
    def config(self) -> FeatureConfig:
        """Return the configuration for `compute`."""
        bins = self.mel_bins or (40 if self.kind == "fbank" else 23)
        return FeatureConfig(self.kind, bins, self.num_ceps, self.pitch, self.rate_hz)


@dataclass(frozen=True)
class _Shard:
    """The work of one call in a process: some utterances and the files to write."""

    utterances: tuple[Utterance, ...]
    features: Path
    statistics: Path
    settings: Settings

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """Return the files that the shard writes."""
        return self.features, self.features.with_suffix(".scp"), self.statistics

    def name(self) -> str:
        """Return the name of the shard in error messages."""
        return f"{self.features.name} ({self.utterances[0].key} to {self.utterances[-1].key})"


def run(settings: Settings) -> None:
    """Run the feature stage for one data directory."""
    tables = [settings.data / name for name in ("wav.scp", "segments", "utt2spk", "perturb")]
    tables = [path for path in tables if path.is_file()]
    files = _sound_files(settings.data / "wav.scp")
    stamp = Stamp(settings.data / ".done.features.json", "features", settings, tables, extra=files, revision=REVISION)
    if stamp.fresh():
        return
    data = DataDir.read(settings.data, allow_pipes=settings.allow_pipes)
    shards = _shards(settings, list(data.utterances()), dict(files))
    wanted = {path.name for shard in shards for path in shard.files}
    _remove_stale(settings.out, wanted)
    lost = _left_out(settings, shards, data, _extract(settings, shards))
    outputs = _write_tables(settings, shards, data, lost)
    stamp.record([*outputs, *(shard.features for shard in shards)])


def _sound_files(scp: Path) -> list[tuple[str, list[int]]]:
    """Return (source, [size, modification time]) of every sound, for the stamp; zeros for a pipe."""
    result = []
    for source in sorted(set(read_table(scp).values())):
        file, _ = located(source)
        status = os.stat(file) if not source.endswith("|") and os.path.exists(file) else None
        result.append((source, [status.st_size, status.st_mtime_ns] if status else [0, 0]))
    return result


def _shards(settings: Settings, utterances: list[Utterance], files: dict[str, list[int]]) -> list[_Shard]:
    """Return shards, whose file names contain a hash of everything that their content depends on."""
    shards = []
    for start in range(0, len(utterances), SHARD_UTTERANCES):
        some = tuple(utterances[start : start + SHARD_UTTERANCES])
        about = [dataclasses.astuple(item) for item in some], [files.get(item.source) for item in some]
        text = json.dumps([REVISION, as_dict(settings, affecting_only=True), str(settings.out.resolve()), about])
        name = f"{start // SHARD_UTTERANCES + 1}.{hashlib.sha256(text.encode()).hexdigest()[:10]}"
        shards.append(_Shard(some, settings.out / f"feats.{name}.ark", settings.out / f"stats.{name}.ark", settings))
    return shards


#: an archive of this stage, or the temporary file of one, left by a killed run
STALE = re.compile(
    r"(feats|stats)\.\d+\.[0-9a-f]{10}\.(ark|scp)|\.(feats|stats)\.\d+\.[0-9a-f]{10}\.(ark|scp)\..+\.tmp"
)


def _remove_stale(out: Path, wanted: set[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():  # removes only names that this stage makes: other archives may be in the folder
        if STALE.fullmatch(path.name) and path.name not in wanted:
            path.unlink()


def _extract(settings: Settings, shards: list[_Shard]) -> list[InputError]:
    """Compute the missing shards. Warn of the utterances that fail, and return their errors."""
    missing = [shard for shard in shards if not shard.statistics.is_file()]
    if len(missing) < len(shards):
        say(f"features: {len(shards) - len(missing)} of {len(shards)} archives are already there")
    if not missing:
        return []
    errors: list[InputError] = []
    processes = processes_for(settings.nj, len(missing))
    what = f"features: {settings.data.name}"
    with Pool(processes, _one_thread, what=what) as pool:
        done = pool.map(_make_shard, missing, name=_Shard.name)
        for found in progress(done, len(missing), f"{what}, archives"):
            errors += found
    for error in errors:
        warn(f"{error}; the utterance is left out")
    return errors


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _make_shard(shard: _Shard) -> list[InputError]:
    """Write the archives of a shard, and last the statistics, which mark it as complete. Return the faults."""
    from asr.sound import audio

    settings, failed = shard.settings, []
    features: dict[str, np.ndarray] = {}
    for item in shard.utterances:
        try:
            samples = audio.read(
                item.source,
                rate_hz=settings.rate_hz,
                channel=item.channel,
                start_s=item.start_s,
                end_s=item.end_s,
                resample=settings.resample,
                allow_pipes=settings.allow_pipes,
                key=item.key,
            )
            if item.perturb is not None:
                samples = item.perturb.apply(samples, settings.rate_hz)
            features[item.key] = compute(samples, settings.config, key=item.key)
        except InputError as error:
            failed.append(InputError(error.message, file=error.file or item.source, key=item.key))
    scp = shard.features.with_suffix(".scp")
    write_matrices(shard.features, features.items(), scp=scp, compress=settings.compress)
    write_matrices(shard.statistics, ((key, normalise.statistics(matrix)) for key, matrix in features.items()))
    return failed


def _left_out(settings: Settings, shards: list[_Shard], data: DataDir, errors: list[InputError]) -> list[str]:
    """Return the utterances without features, those that an earlier run left out included.

    Raises InputError, after marking their shards as incomplete, if they are too many. errors: the faults of this run.
    """
    there = {key for shard in shards for key in read_table(shard.features.with_suffix(".scp"))}
    lost = [key for key in data.keys if key not in there]
    if len(lost) <= settings.max_missing * len(data.keys):
        return lost
    for shard in shards:
        if any(item.key not in there for item in shard.utterances):
            shard.statistics.unlink()  # so that the next run names their faults
    count, allowed = f"{len(lost)} of {len(data.keys)} utterances", f"--max-missing allows {settings.max_missing:g}"
    if errors:
        first = errors[0]
        raise InputError(f"{first.message} ({count} fail, {allowed})", file=first.file, key=first.key)
    raise InputError(f"{count} have no features, {allowed}; run again to see why", file=settings.data, key=lost[0])


def _write_tables(settings: Settings, shards: list[_Shard], data: DataDir, lost: list[str]) -> list[Path]:
    """Write the tables of the data directory and cmvn.ark, and return the tables."""
    where: dict[str, str] = {}
    frames: dict[str, str] = {}
    sums: dict[str, np.ndarray] = {}
    for shard in shards:
        where.update(read_table(shard.features.with_suffix(".scp")))
        for key, stats in read_matrices(shard.statistics):
            frames[key] = str(int(stats[0, -1]))
            owner = data.utt2spk[key] if settings.norm == "speaker" else key
            sums[owner] = sums[owner] + stats if owner in sums else stats
    write_table(settings.data / "feats.scp", where)
    write_table(settings.data / "utt2num_frames", frames)
    names = ["feats.scp", "utt2num_frames", DESCRIPTION]
    (settings.data / "cmvn.scp").unlink(missing_ok=True)
    if settings.norm != "none":
        write_matrices(settings.out / "cmvn.ark", sorted(sums.items()), scp=settings.data / "cmvn.scp")
        names.append("cmvn.scp")
    description = {**dataclasses.asdict(settings.config), "dim": settings.config.dim}
    description.update(norm=settings.norm, norm_vars=settings.norm_vars, compress=settings.compress)
    write_json(settings.data / DESCRIPTION, description, indent=2)
    total = sum(int(count) for count in frames.values())
    missing = f"; {len(lost)} left out: {named_first(lost)}" if lost else ""
    say(
        f"features: {settings.data.name}: {len(frames)} utterances, {total:,} frames ({total / 360000:.2f} h), "
        f"{settings.config.dim} columns, normalised by {settings.norm}{missing}"
    )
    return [settings.data / name for name in names]
