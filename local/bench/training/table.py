"""The table of the bench, and its ratios."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median

from ours import HeldRun
from results import Results, Variant
from whole import WholeRun

from asr.acoustic.network import NetworkConfig, build, flatten

NAMES = {
    "compute": "compute only",
    "server": "server",
    "server blocks": "server, small blocks",
    "server bf16": "server, bfloat16",
    "server natural": "server, natural",
    "allreduce": "all-reduce (gloo)",
    "hogwild": "Hogwild (torch.optim)",
    "store": "minibatches: store",
    "floats": "minibatches: floats",
}
#: cores that others may use before the rates are not to be trusted
BUSY = 0.2
NO_BFLOAT16 = "this CPU has neither avx512_bf16 nor amx_bf16"
#: name in the JSON line -> what over what
RATIOS = {
    "server_over_compute_512": (Variant("server", "big", 512), Variant("compute", "big", 512)),
    "server_over_compute_256": (Variant("server", "big", 256), Variant("compute", "big", 256)),
    "over_allreduce": (Variant("server", "big", 256), Variant("allreduce", "big", 256)),
    "over_hogwild": (Variant("server", "big", 256), Variant("hogwild", "big", 256)),
    "bfloat16_over_float32": (Variant("server bf16", "big", 256), Variant("server", "big", 256)),
    "shuffled_over_blocks": (Variant("server", "big", 256), Variant("server blocks", "big", 256)),
    "store_over_floats": (Variant("store", "big", 256), Variant("floats", "big", 256)),
}
#: shown beside them: what natural gradients cost
NATURAL = {"natural_over_plain": (Variant("server natural", "big", 256), Variant("server", "big", 256))}


def has_bfloat16() -> bool:
    """This CPU multiplies bfloat16 in hardware."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return re.search(r"\b(avx512_bf16|amx_bf16)\b", flags) is not None


def ratios(results: Results, whole: WholeRun) -> dict[str, float | None]:
    """Medians over the rounds."""
    found: dict[str, float | None] = {}
    for name, (over, under) in RATIOS.items():
        values = results.ratios(over, under)
        found[name] = round(median(values), 4) if values else None
    found["checkpoint_share"] = round(whole.checkpoints_s / whole.seconds, 5)
    return found


def lines(
    results: Results, held: dict[Variant, HeldRun], whole: WholeRun, shapes: dict[str, NetworkConfig]
) -> list[str]:
    """The table."""
    found: list[str] = []
    for name, shape in shapes.items():
        weights = flatten(build(shape, seed=0)).numel()
        layout = f"{shape.input_dim}-{shape.layers}x{shape.width}-{shape.num_pdfs}"
        found += [f"network {layout}, {weights / 1e6:.1f} M weights; median (lowest-highest) of the rounds", ""]
        head = f"{'':22}{'minibatch':>10}{'frames/s':>26}{'of compute only':>24}{'by CPU':>9}{'CPU s/Mframe':>14}"
        found += [head, *_variant_lines(results, name), ""]
        found += [*_server_lines(held, results, name), ""]
    found += [*_ratio_lines(results), "", *_whole_lines(whole)]
    others = median(results.others)
    found.append(f"other programs used {others:.2f} cores meanwhile (most {max(results.others):.2f})")
    if others > BUSY:
        found.append("the machine was busy: trust the ratios by CPU time rather than those of the rates")
    return found


def _variant_lines(results: Results, network: str) -> list[str]:
    found = []
    for variant, rates in sorted(
        results.rates.items(), key=lambda item: (-item[0].minibatch, [*NAMES].index(item[0][0]))
    ):
        if variant.network != network:
            continue
        compute = variant._replace(kind="compute")
        by_cpu = median(results.ratios(variant, compute, per_cpu=True))
        cpu = 1e6 / median(results.rates_per_cpu[variant])
        found.append(
            f"{NAMES[variant.kind]:22}{variant.minibatch:>10}{_spread(rates, ',.0f'):>26}"
            f"{_spread(results.ratios(variant, compute), '.3f'):>24}{by_cpu:>9.3f}{cpu:>14.1f}"
        )
    if network == "big" and not has_bfloat16():
        found.append(f"{NAMES['server bf16']:22}{256:>10}  not measured: {NO_BFLOAT16}")
    return found


def _server_lines(held: dict[Variant, HeldRun], results: Results, network: str) -> list[str]:
    """What a push costs in CPU time, and what else took the run's time."""
    found = [
        "CPU ms a push: in the server's process its checks (the norm), its step with average and copy, and all there",
        "is; in the worker. Mean staleness. Time in held-out figures, in segments' means, factors, checkpoints",
        f"{'':22}{'minibatch':>10}{'norm':>8}{'step':>8}{'server':>8}{'worker':>8}{'(compute only)':>16}"
        f"{'staleness':>11}{'figures':>9}{'means':>7}{'factors':>9}{'checkpoints':>13}",
    ]
    for variant, run in held.items():
        if variant.network != network:
            continue
        parts, rate = run.stretches, results.median(variant)
        pushes = sum(part.pushes for part in parts)
        norm, step = (1e3 * median(getattr(part, name) for part in parts) for name in ("norm_s", "pass_s"))
        server = 1e3 * sum(part.server_cpu_s for part in parts) / pushes
        worker = 1e3 * sum(part.cpu_s for part in parts) / pushes - server
        alone = 1e3 * variant.minibatch / median(results.rates_per_cpu[variant._replace(kind="compute")])
        stale = sum(part.staleness * part.pushes for part in parts) / pushes
        found.append(
            f"{NAMES[variant.kind]:22}{variant.minibatch:>10}{norm:>8.2f}{step:>8.2f}{server:>8.2f}{worker:>8.2f}"
            f"{alone:>16.2f}{stale:>11.2f}{run.prices.figures * rate:>9.2%}{run.prices.means * rate:>7.2%}"
            f"{run.prices.factors * rate:>9.2%}"
            f"{run.prices.checkpoints:>13.2%}"
        )
    return found


def _ratio_lines(results: Results) -> list[str]:
    found = [f"{'ratio':26}{'of the rates':>24}{'by CPU':>9}"]
    for name, (over, under) in (RATIOS | NATURAL).items():
        if values := results.ratios(over, under):
            by_cpu = median(results.ratios(over, under, per_cpu=True))
            found.append(f"{name:26}{_spread(values, '.3f'):>24}{by_cpu:>9.3f}")
        else:
            found.append(f"{name:26}  not measured: {NO_BFLOAT16}")
    return found


def _whole_lines(whole: WholeRun) -> list[str]:
    return [
        f"asr train of the first network, minibatch 256, from start to end: {whole.frames:,} frames, {whole.blocks} "
        f"blocks, {whole.seconds:.1f} s,",
        f"{whole.training_s:.1f} s of them with workers; {whole.frames / whole.seconds:,.0f} frames/s, "
        f"{1e6 * whole.cpu_s / whole.frames:.1f} CPU s/Mframe; {whole.checkpoints_s:.2f} s in checkpoints "
        f"({whole.checkpoints_s / whole.seconds:.2%});",
        f"memory of all its processes {whole.memory_start_mb:,.0f} MB after its start, "
        f"{whole.memory_end_mb:,.0f} MB before its end, {whole.memory_most_mb:,.0f} MB at most",
    ]


def _spread(values: list[float], form: str) -> str:
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"
