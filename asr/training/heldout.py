"""Held-out frames, on which raw and averaged weights are compared while training runs."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from asr.acoustic.examples import Targets, load_block, minibatches, shuffled
from asr.acoustic.network import NetworkConfig, bind, build
from asr.features.reader import FeatureReader

BATCH_FRAMES = 2048


class Heldout:
    """A fixed random sample of at most `frames` frames of some utterances, kept spliced in memory."""

    def __init__(
        self,
        network: NetworkConfig,
        features: FeatureReader,
        targets: Targets,
        utterances: tuple[str, ...],
        frames: int,
        precision: str,
    ) -> None:
        self.network = build(network, seed=0).eval()
        self.precision = precision
        block = load_block(utterances, features, targets)
        take = min(frames, len(block[1]))
        order = shuffled(len(block[1]), [0, 2])[:take]
        self.inputs, self.targets = next(minibatches(block, order, [take], network.context))

    @torch.inference_mode()
    def evaluate(self, weights: torch.Tensor) -> tuple[float, float]:
        """(mean cross-entropy in nats, share of frames classified right) of flat `weights`."""
        bind(self.network, weights)
        loss = right = 0.0
        for inputs, targets in zip(self.inputs.split(BATCH_FRAMES), self.targets.split(BATCH_FRAMES), strict=True):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.precision == "bfloat16"):
                logits = self.network(inputs)
            loss += float(cross_entropy(logits.float(), targets, reduction="sum"))
            right += float((logits.argmax(dim=1) == targets).sum())
        return loss / len(self.targets), right / len(self.targets)
