"""Measure decoding with several beams, each in a process of its own; see decoding.sh.

python local/bench/decoding.py EXP MODEL LATIN "8 10 13"
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from asr.decoding.beam.search import Beams


def decoded(exp: Path, model: Path, name: str, out: Path, *more: str) -> tuple[dict[str, Any], float]:
    """Decode in a process of its own with one searcher; return (content of decode.json, peak memory in MB)."""
    command = [sys.executable, "-m", "asr", "decode", f"--data={exp / 'data' / name}", f"--model={model}"]
    # if dev was cut from train, a given language model has seen it
    tuning = name == "dev" and (model / "graph_tune").is_dir()
    command += [f"--graph={model / ('graph_tune' if tuning else 'graph')}", f"--out={out / name}", "--nj=1", *more]
    child = os.posix_spawn(sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}")
    return json.loads((out / name / "decode.json").read_text("utf-8")), usage.ru_maxrss / 1024


def error_rate(exp: Path, name: str, out: Path, latin: str) -> float:
    """Score a decoding; return its character error rate in percent."""
    command = [sys.executable, "-m", "asr", "score", f"--ref={exp / 'data' / name / 'text'}", f"--latin={latin}"]
    command += [f"--hyp={out / name / 'hyp.txt'}", f"--set-name={name}", f"--out={out / name}"]
    with open(out / "score.log", "w") as log:
        child = os.posix_spawn(
            sys.executable,
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)],
        )
        if os.waitpid(child, 0)[1]:
            raise SystemExit((out / "score.log").read_text())
    return float((out / name / "cer").read_text("utf-8").split()[1])


def main() -> None:
    """Print the table and the JSON line."""
    exp, model, latin = Path(sys.argv[1]), Path(sys.argv[1]) / sys.argv[2], sys.argv[3]
    beams = [float(beam) for beam in sys.argv[4].split()]
    default = Beams().beam
    tuned = f"--tuned={model / 'decode_dev' / 'decode.json'}"
    rows: dict[float, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for beam in sorted({*beams, default}):
            out = Path(folder) / f"{beam:g}"
            for name in ("dev", "test"):
                record, memory_mb = decoded(exp, model, name, out, tuned, f"--beam={beam:g}", f"--latin={latin}")
            rows[beam] = {
                "rtf_per_core": record["rtf_cpu"],
                "rtf_wall": record["rtf_wall"],
                "memory_mb": round(memory_mb),
                "dev_cer": error_rate(exp, "dev", out, latin),
                "test_cer": error_rate(exp, "test", out, latin),
                "loglike_per_frame": round(record["loglike_per_frame"], 5),
            }
    print(f"{'beam':>5}{'CPU s / s':>11}{'clock':>8}{'dev %CER':>10}{'test %CER':>11}{'loglike/frame':>15}{'MB':>7}")
    for beam, row in rows.items():
        print(
            f"{beam:>5g}{row['rtf_per_core']:>11.4f}{row['rtf_wall']:>8.4f}{row['dev_cer']:>10.2f}"
            f"{row['test_cer']:>11.2f}{row['loglike_per_frame']:>15.5f}{row['memory_mb']:>7.0f}"
        )
    best = {name: record[name] for name in ("lm_weight", "penalty", "prior_scale", "speech_s")}
    print(json.dumps({"beam": default, **rows[default], **best, "beams": {f"{b:g}": r for b, r in rows.items()}}))


if __name__ == "__main__":
    main()
