"""What training minimises: compressed and logarithmic spectra at several resolutions, levels in the ear's bands, and a
signal-to-distortion ratio; weighted over frequency as the ear's bandwidths are, so that low rumble and wide highs count
as they are heard."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data.dataset import Batch
from models.generators.band_split import equivalent_rectangular_bandwidth

RESOLUTIONS = (512, 2048, 4096)
RATIO_RESOLUTION = 2048
REFERENCE_RMS = 10 ** (-23 / 20)
POWER_FLOOR = 1e-12  # of a bin, where a full-scale sine reads 1/4: below it nothing is heard
RATIO_FLOOR_DB = -35.0  # from here on a clip counts as untouched: caution beyond it would cost denoising
MAGNITUDE_WEIGHT = 10.0
DECIBEL_WEIGHT = 0.08  # per dB
ROOTS = 8  # `compressed` is the 8th root of power
RATIO_WEIGHT = 0.12  # per dB
EDGE_HZ = 300.0  # over which the masks fade
EAR_BANDS = 40
EAR_RANGE_HZ = (50.0, 20000.0)
EAR_RESOLUTION = 2048
EAR_WEIGHT = 0.144  # per dB
# Of a level too low against one too high: music taken away is worse than noise left, and highs that are buried in noise
# are soon taken with it.
MISSING_WEIGHTS = (2.0, 3.0)
MISSING_HZ = (4000.0, 8000.0)  # up to where the first weight holds, and from where on the second
ADDED_WEIGHT = 4.0  # of a level above the input's own, where all was recorded: what is dull by nature stays so


class Hearing(NamedTuple):
    """How far down levels are heard, in dB: below a frame's loudest band, and below the clip's loudest. `fear` is
    whether what is missing counts MISSING_WEIGHTS times."""

    frame_range_db: float
    clip_range_db: float
    fear: bool


# What the ear hears beside louder bands; and all that ViSQOL does, to which noise left in a silent band is as wrong as
# silence in a noisy one.
HEARINGS = (Hearing(50.0, 70.0, fear=True), Hearing(90.0, 100.0, fear=False))


def erb_number(hertz: Tensor) -> Tensor:
    """How many of the ear's bandwidths lie below `hertz` (Glasberg and Moore 1990): 21.4 log10(4.37 f / 1000 + 1)."""
    return 21.4 * torch.log10(4.37e-3 * hertz + 1.0)


def ear_bands(hertz: Tensor) -> Tensor:
    """[bands, bins]: triangles a bandwidth apart over bins at `hertz` [bins]; each bin counts once in all."""
    low, high = erb_number(torch.tensor(EAR_RANGE_HZ))
    centres = torch.linspace(float(low), float(high), EAR_BANDS)
    spacing = float(high - low) / (EAR_BANDS - 1)
    return (1.0 - (erb_number(hertz) - centres.unsqueeze(1)).abs() / spacing).clamp_min(0.0)


def missing_weights(hertz: Tensor) -> Tensor:
    """What a level that is too low counts in bands at `hertz`, of that shape."""
    (first, last), (low, high) = MISSING_HZ, MISSING_WEIGHTS
    return low + (high - low) * ((hertz - first) / (last - first)).clamp(0.0, 1.0)


def compressed(spectrum: Tensor) -> Tensor:
    """|spectrum|^(1/4): near the power by which loudness grows (0.3: Stevens 1957), and made of square roots, which
    are cheap.
    """
    power = spectrum.real.square() + spectrum.imag.square() + POWER_FLOOR
    return power.sqrt().sqrt().sqrt()


class EnhancementLoss(nn.Module):
    """The training loss of an enhanced batch [batch, 1, samples] against its target.

    Windows of one clip are judged together, as the clip is: alone, a silent one would have nothing to be relative to.
    """

    def __init__(self, sample_rate: int, resolutions: tuple[int, ...] = RESOLUTIONS) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.resolutions = resolutions
        for size in resolutions:
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)
            hertz = torch.linspace(0, sample_rate / 2, size // 2 + 1)
            self.register_buffer(f"hertz_{size}", hertz, persistent=False)
            weights = 1.0 / equivalent_rectangular_bandwidth(hertz)
            self.register_buffer(f"weights_{size}", weights / weights.sum(), persistent=False)
            if size == EAR_RESOLUTION:
                bands = ear_bands(hertz)
                centres = (bands * hertz).sum(dim=1) / bands.sum(dim=1)  # at low rates there are bands without bins
                self.register_buffer("bands", bands, persistent=False)
                self.register_buffer("centres", centres, persistent=False)
                self.register_buffer("fear", missing_weights(centres.nan_to_num()) - 1.0, persistent=False)

    def spectrum(self, audio: Tensor, size: int) -> Tensor:
        """Audio [clips, windows, samples] as [clips, bins, frames of all windows], scaled so that a full-scale sine
        reads 1/2; no frame reaches over a seam.
        """
        window = self.get_buffer(f"window_{size}")
        found = torch.stft(
            audio.flatten(0, 1), size, size // 2, window=window, center=False, return_complex=True
        ).unflatten(0, audio.shape[:2])
        joined: Tensor = found.transpose(1, 2).flatten(2)
        return joined / window.sum()

    def below(self, hertz: Tensor, size: int) -> Tensor:
        """Weights [batch, bins, 1] of the bins below `hertz` [batch], as the ear weighs them."""
        distance = hertz.unsqueeze(1) - self.get_buffer(f"hertz_{size}")
        return (self.get_buffer(f"weights_{size}") * (distance / EDGE_HZ).clamp(0.0, 1.0)).unsqueeze(-1)

    def band_distance_db(
        self, ours: Tensor, wanted: Tensor, degraded: Tensor, passband_hz: Tensor, cutoff_hz: Tensor
    ) -> Tensor:
        """Mean distance in dB of the levels in the ear's bands, [clips], of spectra [clips, bins, frames].

        It is the mean over HEARINGS. In the passband, what was added to the input counts ADDED_WEIGHT times, and what
        is missing, where that is feared, MISSING_WEIGHTS times; above it, where the truth can only be guessed, too much
        is as bad as too little.
        """
        bands = self.get_buffer("bands")
        levels = [bands @ (x.real.square() + x.imag.square()) for x in (ours, wanted, degraded)]
        loudest = levels[1].amax(dim=1, keepdim=True)
        centres = self.get_buffer("centres")
        recorded = (centres < passband_hz.unsqueeze(1)).float().unsqueeze(2)
        distance = torch.zeros_like(levels[0][..., 0])
        for hearing in HEARINGS:
            floor = (
                10 ** (-hearing.frame_range_db / 10) * loudest
                + 10 ** (-hearing.clip_range_db / 10) * loudest.amax(dim=2, keepdim=True)
                + POWER_FLOOR
            )
            ours_db, wanted_db, degraded_db = (10 * torch.log10(level + floor) for level in levels)
            excess = ours_db - wanted_db
            added = torch.relu(ours_db - torch.maximum(wanted_db, degraded_db))
            missing = -excess * (1.0 + self.get_buffer("fear").unsqueeze(1) * recorded if hearing.fear else 1.0)
            wrong = torch.maximum(excess, missing) + (ADDED_WEIGHT - 1.0) * recorded * added
            distance = distance + wrong.mean(dim=2) / len(HEARINGS)
        heard = (centres < cutoff_hz.unsqueeze(1) - EDGE_HZ).float()
        return (heard * distance).sum(dim=1) / heard.sum(dim=1).clamp_min(1.0)

    def forward(self, enhanced: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean loss and its parts: `magnitude`, relative and dimensionless, `bands_db`, the distance of levels in
        the ear's bands, and `ratio_db`, distortion over target.
        """
        enhanced, target, degraded = (
            audio.squeeze(1).unflatten(0, (-1, batch.windows)) for audio in (enhanced, batch.target, batch.degraded)
        )
        passband_hz, cutoff_hz = batch.passband_hz[:: batch.windows], batch.cutoff_hz[:: batch.windows]
        loudness = REFERENCE_RMS / target.square().mean(dim=(1, 2)).sqrt().clamp_min(1e-5)
        enhanced, target, degraded = (audio * loudness[:, None, None] for audio in (enhanced, target, degraded))
        magnitude = torch.zeros_like(loudness)
        distance_db = torch.zeros_like(loudness)
        ratio_db = torch.zeros_like(loudness)
        bands_db = torch.zeros_like(loudness)
        for size in self.resolutions:
            ours, wanted = self.spectrum(enhanced, size), self.spectrum(target, size)
            heard = self.below(cutoff_hz, size)
            ours_loudness, wanted_loudness = compressed(ours), compressed(wanted)
            difference = (heard * (ours_loudness - wanted_loudness).square()).sum(dim=(1, 2))
            relative = difference / (heard * wanted_loudness.square()).sum(dim=(1, 2))
            magnitude = magnitude + relative / len(self.resolutions)
            # Loudness alone hardly sees quiet highs, yet the ear and every log-spectral figure miss their detail.
            log_ratio = (torch.log10(ours_loudness) - torch.log10(wanted_loudness)).abs()
            distance = 10 * ROOTS * (heard * log_ratio).sum(dim=1).mean(dim=1)
            distance_db = distance_db + distance / len(self.resolutions)
            if size == EAR_RESOLUTION:
                recorded = self.spectrum(degraded, size)
                bands_db = self.band_distance_db(ours, wanted, recorded, passband_hz, cutoff_hz)
            if size == RATIO_RESOLUTION:
                known = self.below(passband_hz, size)
                error = ours - wanted
                noise = (known * (error.real.square() + error.imag.square())).sum(dim=(1, 2))
                signal = (known * (wanted.real.square() + wanted.imag.square())).sum(dim=(1, 2))
                ratio_db = 10 * torch.log10(noise / signal.clamp_min(POWER_FLOOR) + 10 ** (RATIO_FLOOR_DB / 10))
        ratio = functional.softplus(ratio_db - RATIO_FLOOR_DB)
        loss = (
            MAGNITUDE_WEIGHT * magnitude + DECIBEL_WEIGHT * distance_db + EAR_WEIGHT * bands_db + RATIO_WEIGHT * ratio
        ).mean()
        parts = {"magnitude": magnitude, "bands_db": bands_db, "ratio_db": ratio_db}
        return loss, {name: part.mean().detach() for name, part in parts.items()}
