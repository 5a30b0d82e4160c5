"""Steps that store a clip coarsely: few bits, and lossy codecs."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from scipy import fft

from models.data.degradations import DegradedClip, Samples
from models.data.material import Material
from models.data.recordings import NYQUIST, SAMPLE_RATE
from models.data.steps.step import Quantity, StepKind, Word

ANY_CODEC = "any"
SOUNDFILE_NAMES = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "vorbis": ("OGG", "VORBIS")}
LOWEST_MP3_COMPRESSION = 0.99  # the library refuses 1
MOST_DELAY = 4096  # samples, of any of these codecs
BAND_HZ = 500.0
LOST_ERROR_SHARE = 0.5  # of a band's power: from there on its waveform counts as lost
FAINT_SHARE = 1e-8  # of the loudest band's power


def bits(clip: DegradedClip, material: Material, random: np.random.Generator, count: float) -> DegradedClip:
    """Rounding to so many bits. The difference is noise."""
    scale = np.float32(2.0 ** (round(count) - 1))
    heard = clip.degraded
    return clip.with_noise((np.round(heard * scale) / scale - heard).astype(np.float32))


def coded(samples: Samples, name: str, quality: float) -> Samples:
    """[samples] after a codec, aligned to what went in by the peak of the cross-correlation."""
    file_format, subtype = SOUNDFILE_NAMES[name]
    compression = 1.0 - quality
    rate_mode = {}
    if name == "mp3":
        compression = min(compression, LOWEST_MP3_COMPRESSION)
        rate_mode = {"bitrate_mode": "CONSTANT"}
    scale = max(1.0, float(np.max(np.abs(samples))))  # encoders cut what exceeds full scale
    file = io.BytesIO()
    soundfile.write(
        file,
        samples / scale,
        SAMPLE_RATE,
        format=file_format,
        subtype=subtype,
        compression_level=compression,
        **rate_mode,
    )
    file.seek(0)
    decoded = np.pad(soundfile.read(file, dtype="float32")[0], (MOST_DELAY, MOST_DELAY + len(samples)))
    size = fft.next_fast_len(len(samples) + 2 * MOST_DELAY, real=True)
    spectra = fft.rfft(decoded[:size], size) * np.conj(fft.rfft(samples, size))
    start = int(np.argmax(fft.irfft(spectra, size)[: 2 * MOST_DELAY]))
    result: Samples = np.float32(scale) * decoded[start : start + len(samples)]
    return result


def known_hz(before: Samples, after: Samples) -> float:
    """The frequency that parts best the bands in which `after` still follows `before`, [samples], from those in which
    the error is too large. Bands too faint to matter, as above an earlier encoder's cutoff, have no say.
    """
    hertz = fft.rfftfreq(len(before), 1 / SAMPLE_RATE)
    band = np.minimum(hertz // BAND_HZ, NYQUIST // BAND_HZ - 1).astype(int)
    power, error = (np.bincount(band, np.abs(fft.rfft(part)) ** 2) for part in (before, after - before))
    votes = np.where(error > LOST_ERROR_SHARE * power, -1, 1) * (power > FAINT_SHARE * np.max(power))
    agreement = np.concatenate([[0], np.cumsum(votes)])
    return float(BAND_HZ * np.flatnonzero(agreement == np.max(agreement))[-1])


def codec(
    clip: DegradedClip, material: Material, random: np.random.Generator, name: str, quality: float
) -> DegradedClip:
    """A lossy codec at a quality from 0, its lowest (MP3 32, Opus 6, Vorbis about 56 kbit/s), to 1, its best (MP3 320,
    Opus 256, Vorbis about 250 kbit/s). What it lost of the sum is missing.
    """
    if name == ANY_CODEC:
        name = str(random.choice(list(SOUNDFILE_NAMES)))
    heard = clip.degraded
    decoded = coded(heard, name, quality)
    return clip.heard_as(decoded).known_below(known_hz(heard, decoded))


BITS = Quantity("number of bits", 2.0, 24.0, whole=True)
CODEC_NAME = Word("codec", (ANY_CODEC, *SOUNDFILE_NAMES))
QUALITY = Quantity("quality from 0 to 1", 0.0, 1.0)
STEPS = (
    StepKind("bits", (BITS,), bits),
    StepKind("codec", (CODEC_NAME, QUALITY), codec),
)
