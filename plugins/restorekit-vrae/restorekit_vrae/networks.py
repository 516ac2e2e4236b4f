"""Encoder and decoder: bidirectional recurrent networks over the lines of an image.

References
----------
Fabius, van Amersfoort, "Variational Recurrent Auto-Encoders", ICLR 2015 workshop, section 2: one z for a sequence.
Chung et al., "A Recurrent Latent Variable Model for Sequential Data", NeurIPS 2015: also a z for each step. Theirs
depends on earlier steps of x; here p(x | z) has no x as input, so that samplers handle any missing value.
Schuster, Paliwal, "Bidirectional Recurrent Neural Networks", IEEE TSP 1997; Cho et al., EMNLP 2014 (the GRU).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restorekit.models import label_rows
from restorekit_vrae.settings import VRAEConfig


class Labels(nn.Module):
    """Embedding of the class label, added to every line; without classes, nothing."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.classes = classes
        self.table = nn.Embedding(classes + 1, width) if classes else None

    def forward(self, h: Tensor, label: Tensor | None) -> Tensor:
        """Map h, (B, count, width), to the same shape."""
        if self.table is None:
            return h
        out: Tensor = h + self.table(label_rows(label, len(h), self.classes, h.device))[:, None]
        return out


class Encoder(nn.Module):
    """Encoder from lines to the parameters of q(image | x) and q(lines | image, x).

    Parameters
    ----------
    config : VRAEConfig
        Sizes.
    count, values : int
        Number of lines, and of input values per line.
    """

    def __init__(self, config: VRAEConfig, count: int, values: int) -> None:
        super().__init__()
        states = 2 * config.hidden
        self.enter = nn.Linear(values, config.width)
        self.labels = Labels(config.classes, config.width)
        self.along = nn.GRU(config.width, config.hidden, batch_first=True, bidirectional=True)
        self.whole = nn.Sequential(
            nn.Linear(count * states, config.middle), nn.ReLU(), nn.Linear(config.middle, 2 * config.latent)
        )
        self.lines = nn.Linear(values + states + config.latent, 2 * config.local)

    def read(self, lines: Tensor, label: Tensor | None) -> Tensor:
        """Return each line with the states of its neighbourhood, (B, count, values + 2 hidden)."""
        states, _ = self.along(self.labels(self.enter(lines), label).relu())
        return torch.cat([lines, states], 2)

    def of_image(self, known: Tensor) -> Tensor:
        """Return mean and log-variance of the image's latents, (B, 2 latent)."""
        out: Tensor = self.whole(known[:, :, -2 * self.along.hidden_size :].flatten(1))
        return out

    def of_lines(self, known: Tensor, image: Tensor) -> Tensor:
        """Return mean and log-variance of the lines' latents conditional on the image's, (B, count, 2 local)."""
        out: Tensor = self.lines(torch.cat([known, image[:, None].expand(-1, known.shape[1], -1)], 2))
        return out


class Decoder(nn.Module):
    """Decoder from latents to the parameters of p(x | z).

    Parameters
    ----------
    config : VRAEConfig
        Sizes.
    count, values : int
        Number of lines, and of output values per line.
    """

    def __init__(self, config: VRAEConfig, count: int, values: int) -> None:
        super().__init__()
        self.shape = (-1, count, config.width)
        self.whole = nn.Sequential(
            nn.Linear(config.latent, config.middle), nn.ReLU(), nn.Linear(config.middle, count * config.width)
        )
        self.lines = nn.Linear(config.local, config.width, bias=False)
        self.labels = Labels(config.classes, config.width)
        self.along = nn.GRU(config.width, config.hidden, batch_first=True, bidirectional=True)
        self.leave = nn.Linear(2 * config.hidden + config.local, values)

    def forward(self, image: Tensor, lines: Tensor, label: Tensor | None) -> Tensor:
        """Map the latents to lines, (B, count, values)."""
        h = self.labels(self.whole(image).view(self.shape) + self.lines(lines), label)
        states, _ = self.along(h.relu())
        out: Tensor = self.leave(torch.cat([states, lines], 2))
        return out
