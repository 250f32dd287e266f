"""The small shift of a text's embeddings that raises its loss most: adversarial training's first-order worst case."""

from __future__ import annotations

import torch
from torch import Tensor


def worst_shift(gradient: Tensor, text: Tensor, length: float) -> Tensor:
    """Return r = length * g / |g| for each text: of all shifts so long, the one along which its loss rises fastest.

    gradient: (..., H), of the loss with respect to embeddings; text: int64 (...), the number of the text that each
    place belongs to, -1 for none; |g| is over all places of a text together. A text without gradient is not shifted.
    No gradient flows through the result. Source: Miyato et al. 2017, arXiv 1605.07725, equation 5 (FGM).
    """
    places = text.flatten()
    flat = gradient.detach().reshape(len(places), gradient.shape[-1])
    counted = places >= 0
    squares = torch.zeros(int(places.max()) + 1 if len(places) else 0, dtype=flat.dtype, device=flat.device)
    squares.index_add_(0, places[counted], flat[counted].square().sum(-1))
    norm = squares.sqrt()[places.clamp(min=0)]
    scale = torch.where(counted & (norm > 0), length / norm, torch.zeros_like(norm))
    return (flat * scale[:, None]).view_as(gradient)
