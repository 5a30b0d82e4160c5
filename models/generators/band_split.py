"""The streaming generator: a causal band-split network that estimates real gains per bin.

Bins are grouped into bands, each projected to a few channels (band-split RNN: Luo and Yu 2023, arXiv 2209.15174);
blocks mix over time (gated linear recurrence), across bands and across channels; each bin then gets

    noise, reverberation  the shares of the bin that are noise and late reverberation (with what is kept they sum to 1)
    copies                gains on copies of the kept spectrum shifted upwards, common to all bins of a band, which fill
    bins that have long been empty, and bins that noise has drowned
    envelope              slow gains on copies, common to all bins of a band: lower ones where a recording is dull
    colour                a slow equaliser, common to all bins of a band, for microphones that are covered
    room                  slow shares of a strong room, common to all bins of a band, of what is left of a bin

and the change to the spectrum is a sum of products with the controls: at controls 0, 0, 0 it is zero by structure.
Gains are real and common to all channels, so that level and phase differences between channels survive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generators.axes import across, divided, each, joined, swapped
from models.generators.bands import MOST_UNITS, BandLayout, BandMeans, layout_for
from models.generators.declipping import WAITED_FOR, Declipping
from models.generators.envelope import Envelope
from models.generators.falls import KINDS, WEIGHTS, Falls
from models.generators.features import (
    EMPTY_DB,
    FEATURES_PER_BIN,
    MAGNITUDE_FLOOR,
    MAGNITUDE_SCALE,
    Observations,
    StationarityFeatures,
    magnitude,
    share_of,
)
from models.generators.framing import analysis, synthesis, tapered
from models.generators.recurrence import gated_recurrence, latest
from models.generators.room_gate import RoomGate

SHORTEST_MEMORY_SECONDS = 0.02
LONGEST_MEMORY_SECONDS = 5.0
LARGEST_COPY_GAIN = 2.0
# Only what is more than this share noise, or reverberation, is touched: a small suspicion would dull quiet highs.
MASK_DEAD_ZONE = 0.3
# At most 14 dB are taken: a spectral floor, as in Berouti et al. 1979, for deeper holes sound worse than the noise did.
LARGEST_MASK = 0.8
# From the share on where a mask is at its largest, noise has drowned the bin: copies replace what little could be kept.
DROWNED_SHARE = MASK_DEAD_ZONE + (1.0 - MASK_DEAD_ZONE) * LARGEST_MASK
WHOLLY_DROWNED_SHARE = 0.96
# In training a share inside the dead zone still feels this much of the gradient beyond it (a straight-through
# estimator: Bengio, Leonard and Courville 2013, arXiv 1308.3432): a mask that fell asleep there would never wake.
DEAD_ZONE_GRADIENT = 0.2
# An equaliser acts only where a cover is likely, and wholly from the second share on: music that is dull, or bright, by
# nature stays so. Of music kept aside, in rooms, noise, rumble and codecs, one uncovered clip in a hundred passes the
# first and fewer the second, of covered ones 41 and 21 (`studio`).
COLOUR_DEAD_ZONE = 0.6
COLOUR_CERTAIN = 0.8
FIRST_LOGIT = math.log(COLOUR_DEAD_ZONE / (1.0 - COLOUR_DEAD_ZONE))
LOGIT_WIDTH = math.log(COLOUR_CERTAIN / (1.0 - COLOUR_CERTAIN)) - FIRST_LOGIT
# At first the long mean is what is played, not how it was recorded: each second that it has not heard yet speaks
# against a cover. So of uncovered training music no more clips pass early than later (by an earlier gate 3 to 7 in
# 100, not 9 to 12).
EARLY_DOUBT_PER_SECOND = 1.0  # of the logit
LARGEST_COLOUR = math.log(10.0)  # 20 dB, in nepers
# Of the largest gain; one that only hovers near zero is none: quiet highs of clean music stay as they are.
COPY_DEAD_ZONE = 0.015
LARGEST_LOGIT = 10.0  # exp stays within half precision
# Start near a bystander, just outside the dead zones, where there is a gradient to follow.
MASK_START_LOGIT = 0.0
COPY_START_LOGIT = -3.0
MASKS_PER_BIN = 2  # noise, reverberation
LARGEST_EVENING = 2.0  # nepers by which a bin that is copied is raised or lowered
FLOORS = 2  # leaky minima, above which each band's long-term level stands
TOLD_OVER_TIME = KINDS + 1 + FLOORS  # of each band: falls and rises, its level, and how far it stands above its floors
CONTROLS = 3  # denoise, dereverb, extend
EXTEND = 2  # which of them
COPY_HERTZ = (2000.0, 4000.0, 6000.0, 8000.0, 10000.0, 12000.0)
EIGHTHS = 8
HALF_OVERLAP = 4


def shift_step(hop_eighths: int) -> int:
    """The least number of bins by which a copy can be shifted and keep its phase from frame to frame: a hop is a whole
    number of periods of it."""
    return EIGHTHS // math.gcd(EIGHTHS, hop_eighths)


def copy_shifts(
    hertz: Sequence[float], sample_rate: int, window: int, hop_eighths: int = HALF_OVERLAP
) -> tuple[int, ...]:
    """Shifts of about so many hertz in bins, each a whole number of `shift_step`.

    Raises ValueError for one that leads nowhere: of no bins, or beyond the last.
    """
    step = shift_step(hop_eighths)
    found = tuple(step * round(shift * window / sample_rate / step) for shift in hertz)
    for shift, bins in zip(hertz, found, strict=True):
        if not step <= bins < window // 2:
            raise ValueError(
                f"copies shifted by {shift:g} Hz: got {bins} of {window // 2} bins at {sample_rate} Hz, wanted {step} "
                f"to {window // 2 - 1}"
            )
    return found


@dataclass(frozen=True)
class BandSplitConfig:
    """Sizes of a BandSplitGenerator. Frames begin `hop_eighths` of a window apart, 4 to 7; `copy_shifts` as the
    function of that name gives them, `most_units` as `layout_for` takes it; a `colour_hidden` of 0 leaves colour as it
    is, a `room_hidden` of 0 takes reverberation everywhere, an `envelope_hidden` of 0 leaves copies at the level that
    blocks give them; `declipping` draws peaks that were cut off again, whose ends it waits for by `declipping_wait`
    samples; of the blocks the last `time_blocks` mix over time alone; with `evening` what is copied is evened out or
    sharpened bin by bin; a bin is empty below `empty_db`."""

    sample_rate: int = 48000
    window: int = 2048
    hop_eighths: int = HALF_OVERLAP
    channels: int = 32
    blocks: int = 4
    time_blocks: int = 0
    time_hidden: int = 32
    band_hidden: int = 96
    channel_hidden: int = 64
    bin_hidden: int = 12
    most_units: int = MOST_UNITS
    colour_hidden: int = 0
    room_hidden: int = 0
    envelope_hidden: int = 0
    declipping: bool = False
    declipping_wait: int = WAITED_FOR
    evening: bool = False
    empty_db: float = EMPTY_DB
    copy_shifts: tuple[int, ...] = copy_shifts(COPY_HERTZ, 48000, 2048)

    def __post_init__(self) -> None:
        if not HALF_OVERLAP <= self.hop_eighths < EIGHTHS:
            raise ValueError(
                f"frames begin {HALF_OVERLAP} to {EIGHTHS - 1} eighths of a window apart, got {self.hop_eighths}"
            )

    @property
    def hop(self) -> int:
        return self.window * self.hop_eighths // EIGHTHS

    @property
    def overlap(self) -> int:
        """Samples that a frame shares with the next one, and that the output is late by, but for the margin."""
        return self.window - self.hop

    @property
    def bins(self) -> int:
        return self.window // 2


class OverTime(NamedTuple):
    """What bands tell over seconds, in nepers: mean `falls` and rises [bands * KINDS, frames], long-term `levels` above
    the recording's [bands, frames], and how far these stand above all leaky minima, then above all slow ones,
    `above_floors` [FLOORS * bands, frames]. `of_rooms`: the falls and levels, for the gate of rooms."""

    falls: Tensor
    levels: Tensor
    above_floors: Tensor

    @property
    def of_rooms(self) -> Tensor:
        return torch.cat([self.falls, self.levels])


class States(NamedTuple):
    """A generator's states: of the falls, of the features, memories of the blocks."""

    falls: list[Tensor]
    features: list[Tensor]
    memories: list[Tensor]


@dataclass(frozen=True)
class Gains:
    """Per-bin gains: `masks` [2, frames, bins], what is taken as noise and as reverberation; `copies` [shifts, frames,
    bins], for bins that are `empty` or `drowned`, [1, frames, bins] from 0 to 1; of the same shape or None, for none:
    `colour`, what an equaliser adds of what is kept; `room`, the share that a room added over time; `evening`, gains on
    what is copied; and `envelope`, gains on copies in bins that are empty."""

    masks: Tensor
    copies: Tensor
    empty: Tensor
    drowned: Tensor
    colour: Tensor | None = None
    room: Tensor | None = None
    evening: Tensor | None = None
    envelope: Tensor | None = None


def mask_of(share: Tensor, training: bool) -> Tensor:
    """What is taken of a bin, by the share of it that is thought unwanted; `training` changes gradients only."""
    taken = (share - MASK_DEAD_ZONE) / (1.0 - MASK_DEAD_ZONE)
    mask = taken.clamp(0.0, LARGEST_MASK)
    if not training:
        return mask
    asleep = DEAD_ZONE_GRADIENT * taken.clamp_max(0.0)
    return mask + (asleep - asleep.detach())


class BandEncoder(nn.Module):
    """Features [features, time, batch, bins] to [bands * frames, channels]: one matrix a band."""

    def __init__(self, layout: BandLayout, channels: int) -> None:
        super().__init__()
        self.layout = layout
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(bands, units * FEATURES_PER_BIN, channels) / math.sqrt(units * FEATURES_PER_BIN))
            for bands, units in layout.alike
        )
        self.bias = nn.Parameter(0.1 * torch.randn(layout.bands, 1, channels))

    def forward(self, features: Tensor) -> Tensor:
        frames = features.shape[1] * features.shape[2]
        alike = self.layout.alike
        parts = divided(self.joined(features).permute(1, 2, 3, 0), [bands * units for bands, units in alike], axis=2)
        found, first = [], 0
        for (bands, units), weight, part in zip(alike, self.weights, parts, strict=True):
            own = swapped(part.reshape(frames, bands, units * FEATURES_PER_BIN))
            # The bias is added to each product, as LiteRT's converter fails on products that are joined at once,
            # and in slices, which exporters fold, as they do no split.
            found.append(torch.bmm(own, weight) + self.bias[first : first + bands])
            first += bands
        return (torch.cat(found) if len(found) > 1 else found[0]).flatten(0, 1)

    def joined(self, features: Tensor) -> Tensor:
        """[..., bins] with the mean of bins that share weights: [..., units]."""
        groups = self.layout.groups
        if all(group.together == 1 for group in groups):
            return features
        parts = features.split([group.count * group.width for group in groups], dim=-1)
        return torch.cat([joined(part, group.together) for group, part in zip(groups, parts, strict=True)], dim=-1)


class BandDecoder(nn.Module):
    """What bands tell their bins, by what blocks made of them: [bands * frames, channels] to [bands, frames, outputs],
    one matrix a band.

    All bins of a band are told the same. Each bin had columns of its own once: with the mean of its band's in their
    place trained generators lost nothing, as what stands in a bin is known by the bin alone.
    """

    def __init__(self, bands: int, channels: int, bias: Tensor) -> None:
        """`bias` [outputs]: what is told at the start, about."""
        super().__init__()
        self.bands = bands
        self.weight = nn.Parameter(torch.randn(bands, channels, len(bias)) * 0.3 / math.sqrt(channels))
        self.bias = nn.Parameter(bias.repeat(bands, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.bmm(x.unflatten(0, (self.bands, -1)), self.weight) + self.bias


class BinMixing(nn.Module):
    """A two-layer network of each bin's own features and of what its band tells it, the same for every bin.

    Bands know what is going on, only the bin itself knows whether a partial stands in it: a Wiener filter's rule, whose
    threshold the band sets. [features, time, batch, bins] and [bands, frames, outputs + hidden], what is added to
    outputs and to hidden units, to [outputs, frames, bins].
    """

    band_of_cell: Tensor
    cell_of_bin: Tensor

    def __init__(self, layout: BandLayout, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layout = layout
        self.own = nn.Parameter(torch.randn(hidden, FEATURES_PER_BIN) * 0.5 / math.sqrt(FEATURES_PER_BIN))
        self.out = nn.Parameter(torch.zeros(outputs, hidden))  # at the start bands alone decide
        self.register_buffer("band_of_cell", layout.band_of_cell, persistent=False)
        self.register_buffer("cell_of_bin", torch.ones(1, layout.cell), persistent=False)

    def forward(self, features: Tensor, told: Tensor, of_bands: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Also brings values `of_bands`, [bands, frames, values] each, to the bands' bins, [values, frames, bins]: one
        product does for all."""
        frames, outputs, hidden = told.shape[1], *self.out.shape
        all_told = torch.cat([told, *of_bands], dim=-1)
        of_cells = all_told.permute(1, 2, 0) @ self.band_of_cell
        sizes = [values.shape[-1] for values in of_bands]
        added, context, values = of_cells.split([outputs, hidden, sum(sizes)], dim=1)
        values = swapped(values)
        own, out = self.own.expand(frames, -1, -1), self.out.expand(frames, -1, -1)
        given = swapped(features.flatten(1, 2))
        if self.layout.cell == 1:
            mixed = functional.silu(torch.baddbmm(context, own, given))
            logits = torch.baddbmm(added, out, mixed)
        else:
            # Cells side by side while there are many units: what holds for a cell is then added to a row of cells at
            # once, where adding it to the few bins of one after the other would take as long as all the rest.
            places = (self.layout.cell, -1)
            of_bins = torch.bmm(own, across(given, of_cells.shape[-1])).unflatten(-1, places)
            mixed = functional.silu(of_bins + context.unsqueeze(-2)).flatten(2)
            of_bins = torch.bmm(out, mixed).unflatten(-1, places) + added.unsqueeze(-2)
            logits = across(of_bins.flatten(2), self.layout.cell)
            # A product with ones repeats what holds for a cell in half the time of a broadcast.
            values = (values.unsqueeze(-1) @ self.cell_of_bin).flatten(-2)
        return swapped(logits), list(divided(values, sizes))


class Colouring(nn.Module):
    """An equaliser by what bands tell over time: what to add to each, zero unless the gate of all bands opens.

    A cover leaves a shape in the spectrum that lasts, whatever is played: so it follows slow means alone, and cannot
    pump. Levels alone take a noise that lies low for covered highs; how they fall and rise, and how far they stand
    above their floors, tells music from it. What covers do it learns apart (models.learn_colour): of a loss of the
    whole it would make one more way to take noise away.
    """

    def __init__(self, bands: int, hidden: int, frames_per_second: float, most_frames: float) -> None:
        """`most_frames`: how many the long-term spectrum is a mean of, once it has heard so many."""
        super().__init__()
        self.most_frames = most_frames
        self.doubt = EARLY_DOUBT_PER_SECOND / frames_per_second
        told = bands * TOLD_OVER_TIME
        self.widen = nn.Parameter(torch.randn(hidden, told) / math.sqrt(told))
        self.widen_bias = nn.Parameter(torch.zeros(hidden, 1))
        self.narrow = nn.Parameter(torch.zeros(bands, hidden))  # at the start nothing is added
        self.narrow_bias = nn.Parameter(torch.zeros(bands, 1))
        self.gate = nn.Parameter(torch.zeros(1, hidden))
        self.gate_bias = nn.Parameter(torch.zeros(1, 1))
        self.requires_grad_(False)

    def forward(self, told: Tensor, heard: Tensor) -> Tensor:
        """What is added to each band, [bands, frames], by what is `told`, [bands * TOLD_OVER_TIME, frames]: opening
        (e^nepers - 1). The opening goes from 0 to 1 as the logit goes from where a cover is likely to where it is
        certain, lowered by every frame by which `heard` [1, frames], those of which levels are the mean, falls short
        of the most.

        As few operators as can be: the logit is counted in frames of that doubt, and what the opening would be divided
        by, its width, divides within the exponent.
        """
        hidden = functional.silu(self.widen @ told + self.widen_bias)
        width = LOGIT_WIDTH / self.doubt
        bias = (self.gate_bias - FIRST_LOGIT) / self.doubt - self.most_frames
        opening = ((self.gate / self.doubt) @ hidden + (heard + bias)).clamp(0.0, width)
        nepers = self.narrow @ hidden + (self.narrow_bias - math.log(width))
        largest = (-LARGEST_COLOUR - math.log(width), LARGEST_COLOUR - math.log(width))
        return opening * (torch.exp(nepers.clamp(*largest)) - 1.0 / width)


class TimeMixing(nn.Module):
    """A gated linear recurrence per band: [bands * frames, channels]. Its state is its memory,
    [bands * batch, hidden]."""

    def __init__(self, bands: int, channels: int, hidden: int, frames_per_second: float) -> None:
        super().__init__()
        self.bands = bands
        self.norm = nn.LayerNorm(channels)
        self.update, self.candidate, self.gate = (nn.Linear(channels, hidden) for _ in range(3))
        self.out = nn.Linear(hidden, channels)
        memories = torch.logspace(math.log10(SHORTEST_MEMORY_SECONDS), math.log10(LONGEST_MEMORY_SECONDS), hidden)
        update = 1.0 - torch.exp(-1.0 / (memories * frames_per_second))
        with torch.no_grad():
            self.update.bias.copy_(torch.logit(update))

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        y = self.norm(x)
        states = gated_recurrence(torch.sigmoid(self.update(y)), self.candidate(y), memory, self.bands)
        mixed = x + self.out(states * functional.silu(self.gate(y)))
        return mixed, latest(states, memory, self.bands)


class BandMixing(nn.Module):
    """A two-layer network across bands, the same for every channel: [bands * frames, channels]."""

    def __init__(self, bands: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Parameter(torch.randn(hidden, bands) / math.sqrt(bands))
        self.narrow = nn.Parameter(torch.randn(bands, hidden) * 0.3 / math.sqrt(hidden))

    def forward(self, x: Tensor) -> Tensor:
        bands = self.narrow.shape[0]
        hidden = functional.silu(self.widen @ self.norm(x).reshape(bands, -1))
        mixed: Tensor = self.narrow @ hidden
        return x + mixed.reshape(x.shape)


class ChannelMixing(nn.Module):
    """A gated two-layer network across channels (GLU with SiLU: Shazeer 2020, arXiv 2002.05202), the same for every
    band: [bands * frames, channels].
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.value, self.gate = nn.Linear(channels, hidden), nn.Linear(channels, hidden)
        self.narrow = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        mixed: Tensor = self.narrow(self.value(y) * functional.silu(self.gate(y)))
        return x + mixed


class Block(nn.Module):
    """Mixing over time, across bands, across channels, each beside a skip; or over time alone."""

    def __init__(self, config: BandSplitConfig, bands: int, over_time_alone: bool = False) -> None:
        super().__init__()
        self.time = TimeMixing(bands, config.channels, config.time_hidden, config.sample_rate / config.hop)
        self.over_time_alone = over_time_alone
        if not over_time_alone:
            self.band = BandMixing(bands, config.channels, config.band_hidden)
            self.channel = ChannelMixing(config.channels, config.channel_hidden)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        x, memory = self.time(x, memory)
        if self.over_time_alone:
            return x, memory
        mixed: Tensor = self.channel(self.band(x))
        return mixed, memory


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
        layout = layout or layout_for(config.bins, config.most_units)
        if layout.bins != config.bins:
            raise ValueError(f"the band layout covers {layout.bins} bins, the window gives {config.bins}")
        self.layout = layout
        frames_per_second = config.sample_rate / config.hop
        self.register_buffer("window", tapered(config.window, config.hop), persistent=False)
        bin_hertz = config.sample_rate / config.window
        hertz = torch.arange(config.bins) * bin_hertz
        weights = 1.0 / equivalent_rectangular_bandwidth(hertz)
        self.declipping = Declipping(config.hop, config.declipping_wait) if config.declipping else None
        self.features = StationarityFeatures(
            config.bins, bin_hertz, frames_per_second, weights / weights.sum(), config.empty_db
        )
        self.encoder = BandEncoder(layout, config.channels)
        whole = config.blocks - config.time_blocks
        self.blocks = nn.ModuleList(Block(config, layout.bands, index >= whole) for index in range(config.blocks))
        start = [COPY_START_LOGIT] * len(config.copy_shifts) + [MASK_START_LOGIT] * MASKS_PER_BIN
        unknown = torch.zeros(config.evening + config.bin_hidden)
        self.norm = nn.LayerNorm(config.channels)
        self.decoder = BandDecoder(layout.bands, config.channels, torch.cat([torch.tensor(start), unknown]))
        self.bin_mixing = BinMixing(layout, config.bin_hidden, MASKS_PER_BIN + config.evening)
        self.band_means = BandMeans(layout)
        self.colouring = (
            Colouring(layout.bands, config.colour_hidden, frames_per_second, self.features.most_frames)
            if config.colour_hidden
            else None
        )
        self.envelope = Envelope(layout.bands, config.envelope_hidden) if config.envelope_hidden else None
        hears_over_time = config.colour_hidden or config.room_hidden or config.envelope_hidden
        self.falls = Falls(layout, frames_per_second) if hears_over_time else None
        self.room_gate = (
            RoomGate(layout, config.room_hidden, frames_per_second, self.features.most_frames)
            if config.room_hidden
            else None
        )

    @property
    def margin(self) -> int:
        """Samples by which what is analysed is late."""
        return 0 if self.declipping is None else self.declipping.margin

    @property
    def spectrum_scale(self) -> float:
        """What an unscaled DFT is multiplied by before `step`."""
        return MAGNITUDE_SCALE / float(self.window.sum())

    def state_shapes(self, batch: int = 1) -> list[tuple[int, ...]]:
        """Shapes of the states, in the order in which `step` takes them: of the falls, of the features, then each
        block's memory."""
        of_falls = [] if self.falls is None else self.falls.state_shapes(batch)
        memories = [(self.layout.bands * batch, self.config.time_hidden)] * self.config.blocks
        return [*of_falls, *self.features.state_shapes(batch), *memories]

    def parted(self, states: list[Tensor]) -> States:
        """States in the order of `state_shapes`, by what they are of."""
        blocks = self.config.blocks
        of_falls = 0 if self.falls is None else len(self.falls.state_shapes(1))
        return States(states[:of_falls], states[of_falls:-blocks], states[-blocks:])

    def initial_states(self, batch: int) -> list[Tensor]:
        """States before the first frame: zeros."""
        return [torch.zeros(shape, device=self.window.device) for shape in self.state_shapes(batch)]

    def gains(self, logs: Tensor, states: list[Tensor], in_room: Tensor | None = None) -> tuple[Gains, list[Tensor]]:
        """Gains for the logarithms of scaled magnitudes [1, time, batch, bins], and the states after them; `in_room` as
        `forward` takes it, [1, frames, 1]."""
        falls, statistics, memories = self.parted(states)
        observed, statistics = self.features(logs, statistics)
        heads, opening, falls = self.by_long_term(observed, falls, in_room)
        x = self.encoder(observed.features)
        next_memories = []
        for block, memory in zip(self.blocks, memories, strict=True):
            x, memory = block(x, memory)
            next_memories.append(memory)
        return self.decide(x, observed, heads, opening), [*falls, *statistics, *next_memories]

    def decide(self, x: Tensor, observed: Observations, heads: dict[str, Tensor], in_room: Tensor | None) -> Gains:
        """Gains by what the blocks made of the bands, x [bands * frames, channels], by what each bin shows, by what
        follows from long-term levels, and by whether there is a room."""
        told = self.decoder(self.norm(x))
        shifts = len(self.config.copy_shifts)
        copies, told = told.split([shifts, told.shape[-1] - shifts], dim=-1)
        copies = torch.relu(torch.sigmoid(copies) - COPY_DEAD_ZONE)
        values = [value.unsqueeze(-1) for value in heads.values()]
        logits, (copies, *values) = self.bin_mixing(observed.features, told, [copies, *values])
        evening = None
        if self.config.evening:
            logits, nepers = logits.split([MASKS_PER_BIN, 1])
            evening = torch.exp(nepers.clamp(-LARGEST_EVENING, LARGEST_EVENING))
        # softmax over (noise, reverberation, kept) with the last logit zero, written out: few and common operators
        exponentials = torch.exp(logits.clamp_max(LARGEST_LOGIT))
        noise, reverberation = exponentials.split(1)
        if in_room is not None:
            reverberation = in_room * reverberation
            exponentials = torch.cat([noise, reverberation])
        shares = exponentials / (1.0 + noise + reverberation)
        drowned = share_of(shares[:1] - DROWNED_SHARE, WHOLLY_DROWNED_SHARE - DROWNED_SHARE)
        return Gains(
            mask_of(shares, self.training),
            copies,
            observed.empty.flatten(1, 2),
            drowned,
            evening=evening,
            **dict(zip(heads, values, strict=True)),
        )

    def over_time(self, observed: Observations, state: list[Tensor]) -> tuple[OverTime, list[Tensor]]:
        """What bands tell over time, and the next state of the falls after `state`. Raises ValueError where nothing
        asks for it."""
        if self.falls is None:
            raise ValueError("nothing is told over time: wanted an equaliser, a gate of rooms or an envelope")
        before, means = state
        rows = [*self.falls.rows(observed.heights, before), observed.long_term, observed.above_floors]
        # One product for all of them, as each would cost as much
        of_bands = self.band_means(torch.cat(rows).flatten(0, 2)).unflatten(0, (KINDS + WEIGHTS + 1 + FLOORS, -1))
        of_falls, levels, above_floors = of_bands.split([KINDS + WEIGHTS, 1, FLOORS])
        falls, means = self.falls(of_falls, means)
        others = (swapped(part, 1).flatten(0, 1) for part in (levels, above_floors))
        return OverTime(falls, *others), [observed.heights[:, -1:], means]

    def by_long_term(
        self, observed: Observations, state: list[Tensor], in_room: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor | None, list[Tensor]]:
        """What follows from the bands over time, as `Gains` names it: what the equaliser adds, gains of the envelope,
        and a room's share, [bands, frames] each, of those that there are; the gate of what is taken as reverberation,
        [1, frames, 1], None where it is always open; and the next state of the falls after `state`. With `in_room`
        given, that is the gate, and no share over time is told."""
        heads: dict[str, Tensor] = {}
        if self.falls is None:
            return heads, in_room, state
        over_time, state = self.over_time(observed, state)
        counted = observed.counted.reshape(1, -1)
        if self.colouring is not None:
            heads["colour"] = self.colouring(torch.cat(over_time), counted)
        if self.envelope is not None:
            heads["envelope"] = self.envelope(over_time.levels)
        if self.room_gate is not None and in_room is None:
            in_room, heads["room"] = self.room_gate(over_time.of_rooms, counted)
        return heads, in_room, state

    def change(self, gains: Gains, spectrum: Tensor, controls: Tensor) -> Tensor:
        """What `gains` add to a scaled `spectrum` [2, channels, frames, bins] under `controls` [3, frames, 1]."""
        denoise, dereverb, extend = controls.split(1)
        noise, reverberation = gains.masks.split(1)
        noise = noise + (1.0 - LARGEST_MASK) * gains.drowned
        left = 1.0 - noise - reverberation
        if gains.room is not None:
            # Of what masks leave, as what lasts through all frames is what they see least of.
            of_room = gains.room * left
            reverberation, left = reverberation + of_room, left - of_room
        kept = left * spectrum
        taken = denoise * noise + dereverb * reverberation
        added = -taken if gains.colour is None else extend * gains.colour * left - taken
        change: Tensor = added * spectrum
        reach = max(self.config.copy_shifts, default=0)
        source = kept if gains.evening is None else gains.evening * kept
        padded = torch.cat([source.new_zeros(*source.shape[:-1], reach), source], dim=-1)
        empty = extend * gains.empty if gains.envelope is None else extend * gains.envelope * gains.empty
        filled = LARGEST_COPY_GAIN * (denoise * gains.drowned + empty)
        copies = [
            gain * padded[..., reach - shift : reach - shift + self.config.bins]
            for gain, shift in zip(each(gains.copies), self.config.copy_shifts, strict=True)
        ]
        return change + filled * sum(copies[1:], start=copies[0]) if copies else change

    def observed(self, audio: Tensor) -> tuple[Observations, States]:
        """What the features see of whole clips [batch, channels, samples], and the states before their first frame."""
        batch = len(audio)
        states = self.parted(self.initial_states(batch))
        observed, _ = self.features(self.logs(self.analysed(audio), batch), states.features)
        return observed, states

    def told_by(self, audio: Tensor) -> OverTime:
        """What bands tell over time of whole clips, as `observed` takes them. Raises ValueError as `over_time`."""
        observed, states = self.observed(audio)
        told, _ = self.over_time(observed, states.falls)
        return told

    def logs(self, spectrum: Tensor, batch: int) -> Tensor:
        """Logarithms of the magnitudes, in the mean over channels, of a scaled spectrum [2, channels, frames, bins]:
        [1, time, batch, bins]."""
        magnitudes = magnitude(spectrum)
        if magnitudes.shape[1] > 1:
            magnitudes = magnitudes.mean(dim=1, keepdim=True)
        return torch.log(magnitudes + MAGNITUDE_FLOOR).reshape(1, -1, batch, self.config.bins)

    def step(
        self, spectrum: Tensor, controls: Tensor, states: list[Tensor], in_room: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """The change to a scaled `spectrum` [2, channels, frames, bins], real and imaginary parts of frames in the
        order of time, then of the batch, under `controls` [3, frames, 1]; and the next states.
        """
        batch = states[0].shape[2]
        gains, next_states = self.gains(self.logs(spectrum, batch), states, in_room)
        return self.change(gains, spectrum, controls), next_states

    def forward(self, audio: Tensor, controls: Tensor, in_room: Tensor | None = None) -> Tensor:
        """Enhance whole clips: audio [batch, channels, samples], controls [batch, 3] or per hop [batch, hops, 3].

        `in_room` [batch]: 1 for clips that were recorded in a room, else 0, in place of the gate's guess: what to take
        away is learnt where there is something to take. Returns [batch, channels, samples] without delay.
        """
        heard = self.heard(audio, controls)
        if in_room is not None:
            in_room = in_room.repeat(self.hops(heard)).reshape(1, -1, 1)
        states = self.initial_states(audio.shape[0])
        change, _ = self.step(self.analysed(heard), self.per_frame(controls, heard), states, in_room)
        return self.changed(heard, change)[..., self.margin :]

    @torch.no_grad()
    def heard(self, audio: Tensor, controls: Tensor) -> Tensor:
        """What is analysed of audio [batch, channels, samples] under controls as `forward` takes them: the same,
        `margin` samples later, with peaks that were cut off drawn again. [batch, channels, samples + margin]."""
        if self.declipping is None:
            return audio
        late = functional.pad(audio, (self.margin, 0))
        hops, hop = self.hops(late), self.config.hop
        margins = self.declipping.margins
        padded = functional.pad(audio, (margins, hops * hop - audio.shape[-1]))
        # A hop at a time, as each has its own level: [batch * hops, 1, channels, hop and margins]
        rows = padded.unfold(-1, hop + margins, hop).permute(0, 2, 1, 3).flatten(0, 1).unsqueeze(1)
        loudest = padded[..., margins:].abs().unflatten(-1, (hops, hop)).amax(dim=(1, 3)).cummax(dim=1).values
        levels = loudest.reshape(-1, 1, 1, 1)
        cut = self.declipping.may_be_cut(rows, levels)
        missing = rows.new_zeros(len(rows), 1, rows.shape[2], hop)
        if bool(cut.any()):
            missing[cut] = self.declipping(rows[cut], levels[cut])
        missing = missing.unflatten(0, (-1, hops)).squeeze(2)
        extend = self.per_frame(controls, late)[EXTEND].unflatten(0, (hops, -1)).permute(1, 0, 2).unsqueeze(3)
        added = (extend * missing).permute(0, 2, 1, 3).flatten(2)
        heard: Tensor = late + added[..., : late.shape[-1]]
        return heard

    def hops(self, audio: Tensor) -> int:
        """One more than a clip fills, as the last hop comes out one later."""
        return -(-audio.shape[-1] // self.config.hop) + 1

    def analysed(self, audio: Tensor) -> Tensor:
        """Scaled spectrum [2, channels, frames, bins] of audio [batch, channels, samples]."""
        samples = self.hops(audio) * self.config.hop
        parts = torch.stack(
            analysis(functional.pad(audio, (0, samples - audio.shape[-1])), self.window, self.config.hop)
        )
        return (parts * self.spectrum_scale).permute(0, 2, 3, 1, 4).flatten(2, 3)

    def per_frame(self, controls: Tensor, audio: Tensor) -> Tensor:
        """Controls [batch, 3] or [batch, fewer hops, 3] for each frame of `audio`, the last ones going on:
        [3, frames, 1]."""
        controls = controls.reshape(len(controls), -1, CONTROLS)
        missing = self.hops(audio) - controls.shape[1]
        held = functional.pad(controls, (0, 0, 0, missing), mode="replicate")
        return held.permute(2, 1, 0).reshape(CONTROLS, -1, 1)

    def changed(self, audio: Tensor, change: Tensor) -> Tensor:
        """Audio [batch, channels, samples] with a change to its scaled spectrum [2, channels, frames, bins]."""
        real, imaginary = (change / self.spectrum_scale).unflatten(2, (-1, len(audio))).permute(0, 3, 1, 2, 4)
        late = self.config.overlap
        return audio + synthesis(real, imaginary, self.window, self.config.hop)[..., late : late + audio.shape[-1]]
