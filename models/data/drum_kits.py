"""Drums that play alone: python -m models.data.drum_kits /usr/share/hydrogen/data/drumkits/* --out FOLDER --pieces 6

Random beats on the samples of drum kits as Hydrogen stores them (a folder with drumkit.xml each): a pulse on hats or a
ride, kicks, back beats on the snare, fills on toms, crashes. Recordings of drums alone are scarce, and to nothing else
do wind, rain and machines come as near. FOLDER gets the layout that training reads, as models.data.scores gives it.

On Debian: apt-get install hydrogen-drumkits (kits under GPL-2, CC-BY-3.0, CC-BY-SA-3.0 and CC0).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import soundfile
from tqdm import tqdm

from models.data.number_text import finite_number
from models.data.recordings import SAMPLE_RATE, as_float, decode
from models.data.rendered import Rendering, Samples, add_rendering_arguments, at_peak, check_rendering, write_renderings

KIT_FILE = "drumkit.xml"
ROLES = {
    "kick": ("kick", "bassdrum", "bass drum", "thump", " bass"),
    "snare": ("snare", "stick", "rim", "slap", "clap"),
    "hat": ("hat", "hh", "hi-h", "maraca", "tambourine", "mute"),
    "cymbal": ("crash", "ride", "cymbal", "splash", "bell"),
    "tom": ("tom", "tone", "bongo", "conga", "drum", "head", "woodblock"),
}
"""What an instrument is for, by words in its name; the first that fits."""
STEPS_PER_BAR, STEPS_PER_BEAT = 16, 4
TEMPO_BEATS_PER_MINUTE = (60.0, 160.0)
BARS_PER_PHRASE = 4
LARGEST_SWING = 0.33  # of a step, by which every other one is late
LATE_SECONDS = 0.004  # standard deviation of a player's timing
PULSE_STEPS = (1, 2, 2, 4)
KICK_ODDS, GHOST_ODDS, FILL_ODDS, CRASH_ODDS = 0.22, 0.08, 0.6, 0.5
NO_PULSE_SHARE, HALF_TIME_SHARE, SWING_SHARE = 0.2, 0.25, 0.5
BACK_BEATS, HALF_TIME_BEATS = (4, 12), (8,)  # steps of a bar
FILL_FROM = 12  # step of a phrase's last bar
RINGING_SECONDS = 1.0  # after the last bar
LOUD, SOFT, GHOST = (0.75, 1.0), (0.4, 0.7), (0.15, 0.35)  # velocities, from 0 to 1
LICENCES = {
    "Audiophob": ("CC0-1.0", "soundcloud.com/audiophobdubstep"),
    "BJA_Pacific": ("CC-BY-SA-3.0-US", "Luc Tunguay"),
    "ColomboAcousticDrumkit": ("GPL-2.0-or-later", "Marcos Guglielmetti"),
    "ElectricEmpireKit": ("GPL-2.0-or-later", "Artemiy Pavlov"),
    "ForzeeStereo": ("GPL-2.0-only", "Vladimir Sadovnikov, Alexander Belokurov"),
    "Gimme A Hand 1.0": ("GPL-2.0-only", "Glen MacArthur"),
    "HardElectro1": ("GPL-2.0-or-later", "Artemiy Pavlov"),
    "Millo-Drums_v.1": ("GPL-2.0-only", "Emiliano Grilli"),
    "Millo_MultiLayered2": ("GPL-2.0-only", "Emiliano Grilli"),
    "Millo_MultiLayered3": ("GPL-2.0-only", "Emiliano Grilli"),
    "The Black Pearl 1.0": ("GPL-2.0-only", "Glen MacArthur"),
    "VariBreaks": ("GPL-2.0-or-later", "Artemiy Pavlov"),
    "circAfrique v4": ("CC-BY-SA-3.0", "Jim Harney"),
    "rumpf_kit_z01_h2": ("CC-BY-3.0", "Emanuel Rumpf"),
}
"""SPDX and attribution of the kits in Debian 12's package, as its copyright file tells them."""


@dataclass(frozen=True)
class Layer:
    """A sample [samples] that is heard at velocities up to `highest`, from 0 to 1, and how loud."""

    samples: Samples
    highest: float
    gain: float


@dataclass(frozen=True)
class Instrument:
    """One drum: its name and its layers, the softest first."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def role(self) -> str | None:
        """One of ROLES, None for what fits none."""
        name = self.name.lower()
        return next((role for role, words in ROLES.items() if any(word in name for word in words)), None)

    def struck(self, velocity: float) -> Samples:
        """A stroke of a velocity from 0 to 1: [samples]."""
        layer = next((layer for layer in self.layers if velocity <= layer.highest), self.layers[-1])
        return velocity * layer.gain * layer.samples


def read_layer(folder: Path, name: str, part: ElementTree.Element) -> Layer:
    """The layer of a sample of a kit's. Raises ValueError for a sample that is no audio, and for what is no number."""
    try:
        samples = as_float(decode(folder / name)).astype(np.float64)
    except soundfile.SoundFileError as error:
        raise ValueError(f"{folder / name}, a sample of the kit, is no audio: {error}") from error
    numbers = []
    for what in ("max", "gain"):
        text = part.findtext(what) or "1"
        number = finite_number(text)
        if number is None:
            raise ValueError(f"{folder / KIT_FILE}: {what} of {name}: got {text!r}, wanted a number")
        numbers.append(number)
    return Layer(samples, *numbers)


def read_kit(folder: Path) -> list[Instrument]:
    """The instruments of a kit that have samples. Raises ValueError for a folder that holds none, and as `read_layer`
    does."""
    path = folder / KIT_FILE
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ValueError(f"{folder} is no drum kit of Hydrogen's: {KIT_FILE}: {error}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # newer kits name their XML's namespace
    found = []
    for instrument in root.iter("instrument"):
        parts = list(instrument.iter("layer")) or [instrument]
        layers = []
        for part in parts:
            name = (part.findtext("filename") or "").strip()
            if name and (folder / name).is_file():
                layers.append(read_layer(folder, name, part))
        if layers:
            ordered = tuple(sorted(layers, key=lambda layer: layer.highest))
            found.append(Instrument((instrument.findtext("name") or "").strip(), ordered))
    if not found:
        raise ValueError(f"{path} names no sample that is there, wanted at least one instrument's")
    return found


def random_beat(
    kit: Sequence[Instrument], bars: int, random: np.random.Generator
) -> list[tuple[int, Instrument, float]]:
    """Strokes of so many bars: the step, sixteen to a bar, what is struck, and how hard, from 0 to 1."""
    by_role = {role: [one for one in kit if one.role == role] for role in ROLES}

    def chosen(role: str) -> Instrument:
        candidates = by_role[role] or kit
        return candidates[int(random.integers(len(candidates)))]

    kick, snare, crash = chosen("kick"), chosen("snare"), chosen("cymbal")
    pulse, every = chosen(str(random.choice(["hat", "hat", "cymbal"]))), int(random.choice(PULSE_STEPS))
    toms = [chosen("tom") for _ in range(3)]
    has_pulse = random.random() >= NO_PULSE_SHARE
    back_beats = HALF_TIME_BEATS if random.random() < HALF_TIME_SHARE else BACK_BEATS
    kicks = {0, *(step for step in range(0, STEPS_PER_BAR, 2) if random.random() < KICK_ODDS)}
    strokes: list[tuple[int, Instrument, float]] = []

    def strike(step: int, what: Instrument, velocities: tuple[float, float]) -> None:
        strokes.append((step, what, float(random.uniform(*velocities))))

    for bar in range(bars):
        begin = bar * STEPS_PER_BAR
        last_of_phrase = bar % BARS_PER_PHRASE == BARS_PER_PHRASE - 1
        fill_from = FILL_FROM if last_of_phrase and random.random() < FILL_ODDS else STEPS_PER_BAR
        if bar % BARS_PER_PHRASE == 0 and random.random() < CRASH_ODDS:
            strike(begin, crash, LOUD)
        for step in range(STEPS_PER_BAR):
            if step >= fill_from:
                strike(begin + step, toms[int(random.integers(len(toms)))], SOFT if step % 2 else LOUD)
                continue
            if has_pulse and step % every == 0:
                strike(begin + step, pulse, LOUD if step % STEPS_PER_BEAT == 0 else SOFT)
            if step in kicks:
                strike(begin + step, kick, LOUD)
            if step in back_beats:
                strike(begin + step, snare, LOUD)
            elif random.random() < GHOST_ODDS:
                strike(begin + step, snare if has_pulse else toms[0], GHOST)
    return strokes


def played(kit: Sequence[Instrument], seconds: float, random: np.random.Generator) -> Samples:
    """A random beat of about so many seconds, its peak as `at_peak` sets it: [samples] at 48 kHz. Raises ValueError
    where nothing is heard."""
    step_seconds = 60.0 / random.uniform(*TEMPO_BEATS_PER_MINUTE) / STEPS_PER_BEAT
    swing = random.uniform(0.0, LARGEST_SWING) if random.random() < SWING_SHARE else 0.0
    bars = max(1, round(seconds / step_seconds / STEPS_PER_BAR))
    out = np.zeros(int(bars * STEPS_PER_BAR * step_seconds * SAMPLE_RATE) + int(RINGING_SECONDS * SAMPLE_RATE))
    for step, what, velocity in random_beat(kit, bars, random):
        late = random.normal(0.0, LATE_SECONDS) + (swing * step_seconds if step % 2 else 0.0)
        at = max(0, round((step * step_seconds + late) * SAMPLE_RATE))
        stroke = what.struck(velocity)[: len(out) - at]
        out[at : at + len(stroke)] += stroke
    return at_peak(out, "the kit")


def renderings(given: argparse.Namespace) -> Iterator[Rendering]:
    """The pieces that the command line asks for. Raises ValueError as `read_kit` and `played` do."""
    for number, folder in enumerate(tqdm(given.kits, unit="kit")):
        kit = read_kit(folder)
        spdx, author = LICENCES.get(folder.name, (given.spdx, ""))
        stem = "".join(letter if letter.isalnum() else "_" for letter in folder.name.lower())
        for index in range(given.pieces):
            yield Rendering(
                f"drums_{stem}_{given.seed}_{index:03d}",
                played(kit, given.seconds, np.random.default_rng([given.seed, number, index])),
                folder.name,
                spdx,
                f"{folder.name}: {author}" if author else folder.name,
            )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m models.data.drum_kits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kits", type=Path, nargs="+", metavar="KIT", help="folders of Hydrogen's drum kits")
    add_rendering_arguments(parser, 6, " of each kit")
    parser.add_argument("--spdx", help="the licence of kits that are not in Debian's package hydrogen-drumkits")
    given = parser.parse_args(arguments)
    check_rendering(parser, given)
    for folder in given.kits:
        if folder.name not in LICENCES and not given.spdx:
            parser.error(f"the licence of {folder.name} is not known; wanted --spdx, or one of {', '.join(LICENCES)}")
    try:
        write_renderings(given.out, "models.data.drum_kits", renderings(given))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
