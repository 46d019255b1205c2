"""The model folder, before and after a training: config.json, the choice of the averaging window, the weights.

Writes config.json, raw.safetensors, final.safetensors, and the events "windows" and "done" of the log.
"""

from __future__ import annotations

import torch

from asr.acoustic.model import WEIGHTS, save_weights, write_config
from asr.acoustic.network import bind
from asr.console import duration, say
from asr.errors import InputError
from asr.parallel.machine import cpu_seconds
from asr.training.session import Session


def open_model(session: Session) -> None:
    """Write config.json."""
    settings, materials = session.plan.settings, session.materials
    write_config(
        settings.out,
        materials.shape,
        materials.features,
        prior_scale=settings.prior_scale,
        method=settings.method,
        training_frames=session.total,
        **({"adapt": adapted.record} if (adapted := materials.adapted) else {}),
    )


def finish(session: Session) -> None:
    """Choose the final weights and write the model and the summary.

    Raises InputError if there is no room, or if the run diverged.
    """
    server, out = session.server, session.plan.settings.out
    session.evaluate_end()
    if not torch.isfinite(server.weights).all():
        raise InputError("the weights are not finite; lower --eta0")
    with session.spent.on("windows"):
        final, averaged_pushes = _choose(session)
    for name, weights in zip(WEIGHTS, (server.weights, final), strict=True):
        bind(session.network, weights.cpu())
        try:
            save_weights(session.network, out / name)
        except OSError as error:
            reason = f"{error.strerror}; the same command goes on from the last checkpoint"
            raise InputError(f"cannot be written: {reason}", file=out / name) from error
    _summarise(session, final, averaged_pushes)
    session.log.close()


def _choose(session: Session) -> tuple[torch.Tensor, int]:
    """Return the final weights, and of how many pushes they are the average; 0: the raw weights.

    Of all windows that end with the pass it is the one that is best on the held-out frames.
    """
    server, heldout = session.server, session.materials.heldout
    average = server.average
    if average is None:
        return server.weights, 0
    best = server.weights
    lowest = heldout.evaluate(best).ce
    pushes = 0
    found = [{"from": 1.0, "pushes": pushes, "ce": lowest}]
    for window in average.windows():
        ce = heldout.evaluate(window.weights).ce
        found.append({"from": window.start / session.planned, "pushes": window.k, "ce": ce})
        if ce < lowest:
            lowest, best, pushes = ce, window.weights.clone(), window.k
    chosen = min(found, key=lambda item: item["ce"])
    session.log.write("windows", frames=server.frames, windows=found, chosen=chosen)
    course = "pass" if session.planned == session.total else "passes"
    text = f"averaged from {100 * chosen['from']:.0f} % of the {course} on ({pushes:,} pushes)"
    say(
        f"train: {text if pushes else 'no average is better than the raw weights'}: "
        f"held-out cross-entropy {lowest:.4f}; raw weights {found[0]['ce']:.4f}"
    )
    return best, pushes


def _summarise(session: Session, final: torch.Tensor, averaged_pushes: int) -> None:
    server, ledger, heldout = session.server, session.ledger, session.materials.heldout
    figures = heldout.evaluate(final)
    dropped = ledger.dropped_before + ledger.dropped
    repeated = ledger.repeated_before + ledger.repeated + session.lost_frames
    stale = server.staleness
    seconds = session.spent.elapsed_s
    session.log.write(
        "done",
        frames=server.frames,
        seconds=seconds,
        cpu_s=cpu_seconds(),  # of this process and its workers; a resumed run's earlier parts are not in it
        passes=ledger.pass_ + 1,
        spent=session.spent.parts,
        frames_seen=server.frames,
        frames_of_originals=session.materials.distinct_frames,  # in a pass; the others are of perturbed copies
        frames_dropped=dropped,
        frames_repeated=repeated,
        restarts=session.dispatcher.restarts,
        checkpoints_s=session.checkpoints_s,
        averaged_pushes=averaged_pushes,
        pushes=server.version,
        clipped=server.limit.clipped,
        staleness_histogram=[stale.get(value, 0) for value in range(max(stale, default=0) + 1)],
        refused=dict(server.refused),
        ce=figures.ce,
        accuracy=figures.accuracy,
        heldout_frames=len(heldout.targets),
    )
    say(
        f"train: done in {duration(seconds)}; frames seen {server.frames:,}, repeated {repeated:,}, "
        f"dropped {dropped:,}; pushes {server.version:,}; "
        f"on {len(heldout.targets):,} held-out frames cross-entropy {figures.ce:.4f}, "
        f"accuracy {100 * figures.accuracy:.2f} %"
    )
