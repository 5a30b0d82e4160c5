"""The streaming generator: a causal band-split network that estimates real gains per bin.

Bins are grouped into bands, each projected to a few channels (band-split RNN: Luo and Yu 2023, arXiv 2209.15174);
blocks mix over time (gated linear recurrence), across bands and across channels; each bin then gets

    noise, reverberation  the shares of the bin that are noise and late reverberation (with what is kept they sum to 1)
    copies                gains on copies of the kept spectrum shifted upwards, which fill bins that have long been
    empty

and the change to the spectrum is a sum of products with the controls: at controls 0, 0, 0 it is zero by structure.
Gains are real and common to all channels, so that level and phase differences between channels survive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generators.bands import BandLayout, layout_for
from models.generators.features import (
    FEATURES_PER_BIN,
    MAGNITUDE_FLOOR,
    MAGNITUDE_SCALE,
    StationarityFeatures,
    magnitude,
)
from models.generators.framing import analysis, square_root_hann, synthesis
from models.generators.recurrence import linear_recurrence

SHORTEST_MEMORY_SECONDS = 0.02
LONGEST_MEMORY_SECONDS = 5.0
LARGEST_COPY_GAIN = 2.0
# Only what is more than this share noise, or reverberation, is touched: a small suspicion would dull quiet highs.
MASK_DEAD_ZONE = 0.3
# At most 14 dB are taken: a spectral floor, as in Berouti et al. 1979, for deeper holes sound worse than the noise did.
LARGEST_MASK = 0.8
# In training a share inside the dead zone still feels this much of the gradient beyond it (a straight-through
# estimator: Bengio, Leonard and Courville 2013, arXiv 1308.3432): a mask that fell asleep there would never wake.
DEAD_ZONE_GRADIENT = 0.2
COPY_DEAD_ZONE = 0.03  # a gain that only hovers near zero is none: quiet highs of clean music stay as they are
LARGEST_LOGIT = 10.0  # exp stays within half precision
# Start near a bystander, just outside the dead zones, where there is a gradient to follow.
MASK_START_LOGIT = 0.0
COPY_START_LOGIT = -3.0
MASKS_PER_BIN = 2  # noise, reverberation
COPY_HERTZ = (2000.0, 4000.0, 6000.0, 8000.0, 10000.0, 12000.0)


def copy_shifts(hertz: Sequence[float], sample_rate: int, window: int) -> tuple[int, ...]:
    """Shifts of about so many hertz in bins: even numbers, which keep their phase from frame to half overlapping frame.

    Raises ValueError for one that leads nowhere: of less than two bins, or beyond the last.
    """
    found = tuple(2 * round(shift * window / sample_rate / 2) for shift in hertz)
    for shift, bins in zip(hertz, found, strict=True):
        if not 2 <= bins < window // 2:
            raise ValueError(
                f"copies shifted by {shift:g} Hz: got {bins} of {window // 2} bins at {sample_rate} Hz, wanted 2 to "
                f"{window // 2 - 1}"
            )
    return found


@dataclass(frozen=True)
class BandSplitConfig:
    """Sizes of a BandSplitGenerator; `copy_shifts` as the function of that name gives them."""

    sample_rate: int = 48000
    window: int = 2048
    channels: int = 32
    blocks: int = 4
    band_hidden: int = 96
    channel_hidden: int = 64
    bin_hidden: int = 12
    copy_shifts: tuple[int, ...] = copy_shifts(COPY_HERTZ, 48000, 2048)

    @property
    def hop(self) -> int:
        return self.window // 2

    @property
    def bins(self) -> int:
        return self.window // 2


@dataclass(frozen=True)
class Gains:
    """Per-bin gains, [time, batch, bins] each; `copies` [shifts, time, batch, bins]."""

    noise: Tensor
    reverberation: Tensor
    copies: Tensor


def mask_of(share: Tensor, training: bool) -> Tensor:
    """What is taken of a bin, by the share of it that is thought unwanted; `training` changes gradients only."""
    taken = (share - MASK_DEAD_ZONE) / (1.0 - MASK_DEAD_ZONE)
    mask = taken.clamp(0.0, LARGEST_MASK)
    if not training:
        return mask
    asleep = DEAD_ZONE_GRADIENT * taken.clamp_max(0.0)
    return mask + (asleep - asleep.detach())


class BandEncoder(nn.Module):
    """Features [time, batch, bins, features] to [bands, time, batch, channels]: one matrix a band."""

    def __init__(self, layout: BandLayout, channels: int) -> None:
        super().__init__()
        self.layout = layout
        self.weights = nn.ParameterList(
            nn.Parameter(
                torch.randn(g.count, g.width * FEATURES_PER_BIN, channels) / math.sqrt(g.width * FEATURES_PER_BIN)
            )
            for g in layout.groups
        )
        self.bias = nn.Parameter(0.1 * torch.randn(layout.bands, 1, channels))

    def forward(self, features: Tensor) -> Tensor:
        time, batch = features.shape[:2]
        bands = []
        groups = features.split([group.count * group.width for group in self.layout.groups], dim=2)
        biases = self.bias.split([group.count for group in self.layout.groups])
        for group, weight, bias, part in zip(self.layout.groups, self.weights, biases, groups, strict=True):
            rows = part.reshape(time * batch, group.count, group.width * FEATURES_PER_BIN)
            bands.append(torch.bmm(rows.transpose(0, 1), weight) + bias)
        return torch.cat(bands).reshape(self.layout.bands, time, batch, -1)


class BandDecoder(nn.Module):
    """[bands, time, batch, channels] to [outputs, time, batch, bins]: one matrix a band."""

    def __init__(self, layout: BandLayout, channels: int, bias: Tensor) -> None:
        super().__init__()
        self.layout = layout
        self.outputs = bias.shape[0]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(g.count, channels, self.outputs * g.width) * 0.3 / math.sqrt(channels))
            for g in layout.groups
        )
        self.bias = nn.Parameter(bias.reshape(-1, 1, 1, 1).repeat(1, 1, 1, layout.bins))

    def forward(self, x: Tensor) -> Tensor:
        time, batch = x.shape[1:3]
        bins = []
        groups = x.flatten(1, 2).split([group.count for group in self.layout.groups])
        for group, weight, part in zip(self.layout.groups, self.weights, groups, strict=True):
            out = torch.bmm(part, weight).reshape(group.count, time * batch, self.outputs, group.width)
            bins.append(out.permute(2, 1, 0, 3).reshape(self.outputs, time, batch, group.count * group.width))
        return torch.cat(bins, dim=3) + self.bias


class BinMixing(nn.Module):
    """A two-layer network of each bin's own features and its band's channels, the same for every bin of a band.

    Bands know what is going on, only the bin itself knows whether a partial stands in it: a Wiener filter's rule, whose
    threshold the band sets. [time, batch, bins, features] and [bands, time, batch, channels] to
    [time, batch, bins, masks].
    """

    def __init__(self, layout: BandLayout, channels: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layout = layout
        self.own = nn.Parameter(torch.randn(FEATURES_PER_BIN, hidden) * 0.5 / math.sqrt(FEATURES_PER_BIN))
        self.context = nn.Parameter(torch.randn(layout.bands, channels, hidden) * 0.3 / math.sqrt(channels))
        self.bias = nn.Parameter(torch.zeros(layout.bands, 1, hidden))
        self.out = nn.Parameter(torch.zeros(hidden, outputs))  # at the start bands alone decide

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        time, batch = features.shape[:2]
        context = torch.bmm(x.flatten(1, 2), self.context) + self.bias
        bins = []
        contexts = context.split([group.count for group in self.layout.groups])
        groups = features.split([group.count * group.width for group in self.layout.groups], dim=2)
        for group, band, part in zip(self.layout.groups, contexts, groups, strict=True):
            own = part.reshape(time * batch, group.count, group.width, FEATURES_PER_BIN) @ self.own
            hidden = functional.silu(own + band.transpose(0, 1).unsqueeze(2))
            bins.append((hidden @ self.out).reshape(time, batch, group.count * group.width, -1))
        return torch.cat(bins, dim=2)


class TimeMixing(nn.Module):
    """A two-tap causal convolution, then a gated linear recurrence, per band. State [bands, batch, 2 channels]."""

    def __init__(self, channels: int, frames_per_second: float) -> None:
        super().__init__()
        self.channels = channels
        self.norm = nn.LayerNorm(channels)
        self.now = nn.Parameter(torch.ones(channels))
        self.before = nn.Parameter(torch.zeros(channels))
        self.project = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        memories = torch.logspace(math.log10(SHORTEST_MEMORY_SECONDS), math.log10(LONGEST_MEMORY_SECONDS), channels)
        update = 1.0 - torch.exp(-1.0 / (memories * frames_per_second))
        with torch.no_grad():
            self.project.bias[:channels] = torch.logit(update)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        y = self.norm(x)
        held, last = state[..., : self.channels], state[..., self.channels :]
        shifted = last.unsqueeze(1) if y.shape[1] == 1 else torch.cat([last.unsqueeze(1), y[:, :-1]], dim=1)
        update, candidate, gate = self.project(y * self.now + shifted * self.before).chunk(3, dim=-1)
        update = torch.sigmoid(update)
        states = linear_recurrence(1.0 - update, update * candidate, held)
        return x + self.out(states * functional.silu(gate)), torch.cat([states[:, -1:], y[:, -1:]], dim=-1).squeeze(1)


class BandMixing(nn.Module):
    """A two-layer network across bands, the same for every channel."""

    def __init__(self, bands: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Parameter(torch.randn(hidden, bands) / math.sqrt(bands))
        self.narrow = nn.Parameter(torch.randn(bands, hidden) * 0.3 / math.sqrt(hidden))

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.silu(self.widen @ self.norm(x).flatten(1))
        mixed: Tensor = self.narrow @ hidden
        return x + mixed.reshape(x.shape)


class ChannelMixing(nn.Module):
    """A gated two-layer network across channels (GLU with SiLU: Shazeer 2020, arXiv 2002.05202), the same for every
    band.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 2 * hidden)
        self.narrow = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.widen(self.norm(x)).chunk(2, dim=-1)
        mixed: Tensor = self.narrow(value * functional.silu(gate))
        return x + mixed


class Block(nn.Module):
    """Mixing over time, across bands, across channels, each beside a skip."""

    def __init__(self, config: BandSplitConfig, bands: int) -> None:
        super().__init__()
        self.time = TimeMixing(config.channels, config.sample_rate / config.hop)
        self.band = BandMixing(bands, config.channels, config.band_hidden)
        self.channel = ChannelMixing(config.channels, config.channel_hidden)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x, state = self.time(x, state)
        mixed: Tensor = self.channel(self.band(x))
        return mixed, state


def equivalent_rectangular_bandwidth(hertz: Tensor) -> Tensor:
    """Bandwidth in hertz of the ear's filter at `hertz` (Glasberg and Moore 1990): 24.7 (4.37 f / 1000 + 1)."""
    return 24.7 * (4.37e-3 * hertz + 1.0)


class BandSplitGenerator(nn.Module):
    """Enhances audio frame by frame; `forward` does a whole clip, `step` any number of frames with an explicit
    state.
    """

    window: Tensor

    def __init__(self, config: BandSplitConfig | None = None, layout: BandLayout | None = None) -> None:
        super().__init__()
        self.config = config = config or BandSplitConfig()
        layout = layout or layout_for(config.bins)
        if layout.bins != config.bins:
            raise ValueError(f"the band layout covers {layout.bins} bins, the window gives {config.bins}")
        self.layout = layout
        frames_per_second = config.sample_rate / config.hop
        self.register_buffer("window", square_root_hann(config.window), persistent=False)
        bin_hertz = config.sample_rate / config.window
        hertz = torch.arange(config.bins) * bin_hertz
        weights = 1.0 / equivalent_rectangular_bandwidth(hertz)
        self.features = StationarityFeatures(config.bins, bin_hertz, frames_per_second, weights / weights.sum())
        self.encoder = BandEncoder(layout, config.channels)
        self.blocks = nn.ModuleList(Block(config, layout.bands) for _ in range(config.blocks))
        start = [MASK_START_LOGIT] * MASKS_PER_BIN + [COPY_START_LOGIT] * len(config.copy_shifts)
        self.norm = nn.LayerNorm(config.channels)
        self.decoder = BandDecoder(layout, config.channels, torch.tensor(start))
        self.bin_mixing = BinMixing(layout, config.channels, config.bin_hidden, MASKS_PER_BIN)

    @property
    def spectrum_scale(self) -> float:
        """What an unscaled DFT is multiplied by before `step`."""
        return MAGNITUDE_SCALE / float(self.window.sum())

    def state_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the states for a batch of one, in the order in which `step` takes them."""
        block = (self.layout.bands, 1, 2 * self.config.channels)
        return [(1, self.features.state_size), *[block] * self.config.blocks]

    def initial_states(self, batch: int) -> list[Tensor]:
        """States before the first frame: zeros."""
        device = self.window.device
        block = (self.layout.bands, batch, 2 * self.config.channels)
        return [
            torch.zeros(batch, self.features.state_size, device=device),
            *[torch.zeros(block, device=device) for _ in self.blocks],
        ]

    def gains(self, magnitudes: Tensor, states: list[Tensor]) -> tuple[Gains, list[Tensor]]:
        """Gains for scaled magnitudes [time, batch, bins], and the states after them."""
        features, empty, feature_state = self.features(torch.log(magnitudes + MAGNITUDE_FLOOR), states[0])
        x = self.encoder(features)
        next_states = [feature_state]
        for block, state in zip(self.blocks, states[1:], strict=True):
            x, state = block(x, state)
            next_states.append(state)
        return self.decide(x, features, empty), next_states

    def decide(self, x: Tensor, features: Tensor, empty: Tensor) -> Gains:
        """Gains by what the blocks made of the bands, x [bands, time, batch, channels], and by each bin's features
        [time, batch, bins, features] and emptiness [time, batch, bins]."""
        x = self.norm(x)
        outputs = self.decoder(x)
        masks, copies = outputs.split([MASKS_PER_BIN, len(self.config.copy_shifts)])
        noise_logit, reverberation_logit = (masks + self.bin_mixing(features, x).permute(3, 0, 1, 2)).unbind()
        # softmax over (noise, reverberation, kept) with the last logit zero, written out: few and common operators
        noise = torch.exp(noise_logit.clamp_max(LARGEST_LOGIT))
        reverberation = torch.exp(reverberation_logit.clamp_max(LARGEST_LOGIT))
        total = 1.0 + noise + reverberation
        return Gains(
            noise=mask_of(noise / total, self.training),
            reverberation=mask_of(reverberation / total, self.training),
            copies=empty * torch.relu(LARGEST_COPY_GAIN * torch.sigmoid(copies) - COPY_DEAD_ZONE),
        )

    def change(self, gains: Gains, real: Tensor, imaginary: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        """What `gains` add to scaled bins [batch, channels, time, bins] under `controls` [batch, time, 3]."""
        denoise, dereverb, extend = (controls.transpose(0, 1)[..., i : i + 1] for i in range(3))
        kept = 1.0 - gains.noise - gains.reverberation
        own = (-(denoise * gains.noise + dereverb * gains.reverberation)).transpose(0, 1).unsqueeze(1)
        kept = kept.transpose(0, 1).unsqueeze(1)  # [batch, 1, time, bins]
        copies = (extend * gains.copies).transpose(1, 2)  # [shifts, batch, time, bins]
        changes = []
        for part in (real, imaginary):
            change, source = own * part, kept * part
            for gain, shift in zip(copies.unbind(), self.config.copy_shifts, strict=True):
                change = change + gain.unsqueeze(1) * functional.pad(source[..., :-shift], (shift, 0))
            changes.append(change)
        return changes[0], changes[1]

    def step(
        self, real: Tensor, imaginary: Tensor, controls: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The change to scaled bins [batch, channels, time, bins] under `controls` [batch, time, 3], and the next
        states.
        """
        magnitudes = magnitude(real, imaginary).mean(dim=1).transpose(0, 1)
        gains, next_states = self.gains(magnitudes, states)
        return *self.change(gains, real, imaginary, controls), next_states

    def forward(self, audio: Tensor, controls: Tensor) -> Tensor:
        """Enhance whole clips: audio [batch, channels, samples], controls [batch, 3] or per hop [batch, hops, 3].

        Returns [batch, channels, samples] without delay.
        """
        real, imaginary = self.analysed(audio)
        controls = self.per_hop(controls, real.shape[2])
        real, imaginary, _ = self.step(real, imaginary, controls, self.initial_states(audio.shape[0]))
        return audio + self.synthesised(real, imaginary, audio.shape[-1])

    def analysed(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled bins [batch, channels, hops, bins] of audio [batch, channels, samples]; one hop more than the clip
        fills, as the last hop comes out one later."""
        hop, samples = self.config.hop, audio.shape[-1]
        hops = -(-samples // hop) + 1
        real, imaginary = analysis(functional.pad(audio, (0, hops * hop - samples)), self.window)
        return real * self.spectrum_scale, imaginary * self.spectrum_scale

    def per_hop(self, controls: Tensor, hops: int) -> Tensor:
        """Controls [batch, 3] or [batch, fewer hops, 3] as [batch, hops, 3], the last ones going on."""
        if controls.ndim == 2:
            return controls.unsqueeze(1).expand(-1, hops, -1)
        return functional.pad(controls, (0, 0, 0, hops - controls.shape[1]), mode="replicate")

    def synthesised(self, real: Tensor, imaginary: Tensor, samples: int) -> Tensor:
        """Audio [batch, channels, samples] of scaled bins, without delay."""
        scale, hop = self.spectrum_scale, self.config.hop
        return synthesis(real / scale, imaginary / scale, self.window)[..., hop : hop + samples]
