"""Gauss-Newton products of the acoustic model's cross-entropy on a random sample of utterances, in this process.

    sample = CurvatureSample(job, share=0.03, draw=0)
    product = sample.product(weights)      # v -> G v,  G = mean over frames of J^T (diag(p) - p p^T) J

J is the Jacobian of a frame's logits in the weights, p = softmax(logits). Schraudolph 2002, Fast Curvature
Matrix-Vector Products for Second-Order Gradient Descent. Nothing is kept between two products but the frames.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.func import functional_call, jvp, vjp

from asr.acoustic.examples import Block, minibatches
from asr.acoustic.network import build
from asr.training.objectives.cross_entropy import CrossEntropyJob

#: frames that go through the network together
CHUNK = 2048
#: fewer frames than this say little about a network's curvature, however small the data
LEAST = 2048


class CurvatureSample:
    """Whole utterances with `share` of the frames (at least 2,048), drawn by the job's seed and `draw`.

    In float32, whatever the job's precision: rounded products mislead conjugate gradients.
    """

    def __init__(self, job: CrossEntropyJob, share: float, draw: int) -> None:
        self.job = job
        data = job.data
        self.block = data.sample(max(LEAST, share * data.frames), [4, draw])
        self.frames = len(self.block[1])

    def product(self, weights: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return v -> G v at flat `weights`; both vectors are flat float32, on the weights' device."""
        network = build(self.job.network, seed=0).to(weights.device)
        shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
        features, targets, bounds = (part.to(weights.device) for part in self.block)
        order = torch.arange(self.frames, device=weights.device)
        sizes = Block(0, (), self.frames).minibatches(CHUNK)

        def named(flat: torch.Tensor) -> dict[str, torch.Tensor]:
            parts = flat.split([shape.numel() for shape in shapes.values()])
            return {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

        def product(v: torch.Tensor) -> torch.Tensor:
            total = torch.zeros_like(v)
            for inputs, _ in minibatches((features, targets, bounds), order, sizes, self.job.data.context):

                def logits(parameters: dict[str, torch.Tensor], inputs: torch.Tensor = inputs) -> torch.Tensor:
                    outputs: torch.Tensor = functional_call(network, parameters, (inputs,))
                    return outputs

                outputs, along = jvp(logits, (named(weights),), (named(v),))[:2]
                p = outputs.softmax(dim=1)
                bent = p * (along - (p * along).sum(dim=1, keepdim=True))
                back = vjp(logits, named(weights))[1]
                (slopes,) = back(bent / self.frames)
                total += torch.cat([slopes[name].reshape(-1) for name in shapes])
            return total

        return product
