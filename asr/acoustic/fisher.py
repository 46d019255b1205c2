"""The natural gradient of a linear layer, on its input side: the gradient of W is  slopeᵀ x P  instead of  slopeᵀ x.

With A = E[x xᵀ] over training frames, x ending in a 1 for the bias, P is (A + lambda I)^-1 times a constant: the step
is as large in directions in which the layer's inputs hardly vary as in those that dominate. This is the input half of
K-FAC (Martens & Grosse 2015), which has most of its effect (Benzing 2022), and the input half of Kaldi's NG-SGD
(Povey, Zhang & Khudanpur 2015). As in NG-SGD, A is approximated by its first R eigenvectors and one value for all the
others, so that a minibatch costs two additional thin products; and P is scaled so that inputs keep their mean square,
so that the learning rate keeps its scale:

    A ~ U diag(s) Uᵀ + rest (I - U Uᵀ),     lambda = damping * trace(A) / dim
    P = scale (I - U diag(shrink) Uᵀ),      shrink = (s - rest) / (s + lambda),    E|x P|^2 = E|x|^2

Reads and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

#: subspace iterations from a random start, and from the basis of an earlier estimate
COLD, WARM = 4, 2
#: mean square of a frame's inputs above which the products here overflow
HUGE = 1e30


def rank_of(inputs: int, rank: int) -> int:
    """Return R for a layer of `inputs` inputs, so that at least one direction is left for the rest."""
    return min(rank, inputs)


def size_of(inputs: int, rank: int) -> int:
    """Return the size of a layer's factor in a flat vector: basis, shrink, scale."""
    return (inputs + 2) * rank_of(inputs, rank) + 1


@dataclass
class Factor:
    """P of one layer. basis: U (inputs + 1, R), the last row for the bias; shrink: (R)."""

    basis: torch.Tensor
    shrink: torch.Tensor
    scale: float

    def precondition(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return x P of x (frames, inputs), which lacks the 1, and its column of the bias, float32 (frames)."""
        along = torch.addmm(self.basis[-1], x, self.basis[:-1]).mul_(self.shrink)
        one = torch.mv(along, self.basis[-1]).float().sub_(1.0).mul_(-self.scale)
        return torch.addmm(x, along, self.basis[:-1].t(), beta=self.scale, alpha=-self.scale), one

    @classmethod
    def view(cls, flat: torch.Tensor, inputs: int, rank: int) -> Factor:
        """Return the factor in a flat vector of `size_of` numbers; basis and shrink are views of it."""
        rank = rank_of(inputs, rank)
        basis = flat[: (inputs + 1) * rank].view(inputs + 1, rank)
        return cls(basis, flat[basis.numel() : -1], float(flat[-1]))

    def to(self, dtype: torch.dtype) -> Factor:
        """Return a copy for inputs of `dtype`, with its own memory."""
        return Factor(self.basis.to(dtype, copy=True), self.shrink.to(dtype, copy=True), self.scale)


def estimate(x: torch.Tensor, into: torch.Tensor, rank: int, damping: float, warm: bool) -> None:
    """Estimate P of a layer from its inputs on some frames, x (frames, inputs) float32.

    into: a vector of `size_of` numbers that gets P. warm: it holds an earlier estimate, and the subspace iteration
    starts from its basis. If all inputs are zero, P leaves the gradient of the weights unchanged. If inputs are huge
    or not finite, as in a run that diverges, the earlier estimate remains, or P is the identity if there is none.
    """
    frames, inputs = x.shape
    x = torch.cat([x, x.new_ones(frames, 1)], dim=1)
    rank = rank_of(inputs, rank)
    basis = into[: (inputs + 1) * rank].view(inputs + 1, rank)
    trace = float(x.square().sum()) / frames
    if not trace < HUGE:
        if not warm:
            into.zero_()
            into[-1] = 1.0
        return
    if warm:
        u = basis
    else:
        generator = torch.Generator().manual_seed(inputs)
        u = torch.randn(inputs + 1, rank, generator=generator).to(x.device)
    for _ in range(WARM if warm else COLD):
        u = torch.linalg.qr(x.t() @ (x @ u))[0]
    along = x @ u
    # in double: in a run that diverges all inputs may lie along one direction, and the others' powers are denormal
    powers, turn = torch.linalg.eigh((along.t() @ along).double() / frames)
    s, turn = powers.float(), turn.float()
    others = inputs + 1 - rank
    rest = max(trace - float(s.sum()), 0.0) / others
    shrink = (s - rest) / (s + damping * trace / (inputs + 1))
    kept = float((s * (1.0 - shrink).square()).sum()) + rest * others  # E|x P|^2 / scale^2
    basis.copy_(u @ turn)
    into[basis.numel() : -1] = shrink
    into[-1] = (trace / kept) ** 0.5
