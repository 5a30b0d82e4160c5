"""Music that a sound font plays: python -m models.data.scores --sound-font FluidR3_GM.sf2 --out FOLDER --pieces 150

Random scores in random keys: chords that are held, arpeggios, lines and basses on any of General MIDI's melodic
programs, with drums in some. Of real recordings some instruments are scarce, sustained ones above all (horns, organs,
strings, pads), and a steady partial that was never heard as music passes for the hum of a machine. FOLDER gets the
layout that training reads, music/train/ and SOURCES.csv, for `--audio`; to teach beside other recordings, put both into
one folder and both tables into one.

On Debian: apt-get install fluidsynth fluid-soundfont-gm (the sound font: /usr/share/sounds/sf2/FluidR3_GM.sf2, MIT).
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.data.rendered import Rendering, add_rendering_arguments, at_peak, check_rendering, write_renderings
from models.data.sound_font import played

TICKS_PER_BEAT = 480
BEATS_PER_BAR = 4
TEMPO_BEATS_PER_MINUTE = (55.0, 150.0)
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 3, 5, 7, 10))
"""Semitones above the root: major, minor, Dorian, and a pentatonic scale."""
CHORD_STEPS = (0, 2, 4, 6)  # of the scale: a seventh chord, of which some notes are left out
PROGRAMS = 120  # General MIDI counts 128, the last eight are noises: breath, seashore, applause, a gunshot
DRUM_CHANNEL = 9
DRUMS = (35, 36, 38, 40, 42, 44, 46, 49, 51, 54, 70, 82)  # General MIDI's kicks, snares, hats, cymbals, shakers
DRUMS_SHARE = 0.25
ROLES = ("held", "arpeggio", "line", "bass")
PARTS = (1, 4)
LOWEST_PITCH = {"held": 45, "arpeggio": 48, "line": 55, "bass": 28}
SPAN = {"held": 24, "arpeggio": 28, "line": 24, "bass": 14}
BEATS = {"arpeggio": (0.25, 0.5, 0.5, 1.0), "line": (0.25, 0.5, 0.5, 1.0, 1.5, 2.0), "bass": (2.0, 4.0)}
"""How long a note may be; an arpeggio's are all alike."""
HELD_AT_ONCE = (2, 6)
LARGEST_LEAP = 2  # notes of the chord
ACCENT = 15  # of a velocity, louder or softer
REST_SHARE = 0.1
STROKE_SHARE = 0.6
STROKE_BEATS = 0.25
VELOCITIES = (45, 120)
LOUDEST = 127
VOLUMES = (60, 120)
VOLUME, MODULATION = 7, 1  # MIDI controllers
LARGEST_MODULATION = 60
MODULATED_SHARE = 0.5

Note = tuple[float, float, int, int]
"""Begin and end in beats, MIDI pitch, velocity."""


def random_part(role: str, chords: Sequence[Sequence[int]], random: np.random.Generator) -> list[Note]:
    """The notes of one part over a chord a bar; `chords`: the pitch classes of each, from 0 to 11."""
    low, notes = LOWEST_PITCH[role], []
    inside = [[pitch for pitch in range(low, low + SPAN[role]) if pitch % 12 in chord] for chord in chords]
    at = int(random.integers(len(inside[0])))
    velocity = int(random.integers(*VELOCITIES))
    step = float(random.choice(BEATS[role])) if role == "arpeggio" else 0.0
    for bar, pitches in enumerate(inside):
        begin, end = float(bar * BEATS_PER_BAR), float((bar + 1) * BEATS_PER_BAR)
        if role == "held":
            count = min(len(pitches), int(random.integers(*HELD_AT_ONCE)))
            for pitch in random.choice(pitches, count, replace=False):
                notes.append((begin, end, int(pitch), velocity))
            continue
        while begin < end:
            length = step or float(random.choice(BEATS[role]))
            at = int(np.clip(at + random.integers(-LARGEST_LEAP, LARGEST_LEAP + 1), 0, len(pitches) - 1))
            loudness = int(np.clip(velocity + random.integers(-ACCENT, ACCENT + 1), 1, LOUDEST))
            if role == "bass" or random.random() >= REST_SHARE:
                notes.append((begin, min(begin + length, end), pitches[at], loudness))
            begin += length
    return notes


def random_drums(bars: int, random: np.random.Generator) -> list[Note]:
    """A bar of random strokes, again and again."""
    strokes = [
        (float(beat), int(random.choice(DRUMS)), int(random.integers(*VELOCITIES)))
        for beat in np.arange(0.0, BEATS_PER_BAR, STROKE_BEATS)
        if random.random() < STROKE_SHARE
    ]
    return [
        (bar * BEATS_PER_BAR + beat, bar * BEATS_PER_BAR + beat + STROKE_BEATS, drum, velocity)
        for bar in range(bars)
        for beat, drum, velocity in strokes
    ]


def random_score(seconds: float, random: np.random.Generator) -> mido.MidiFile:
    """A piece of about so many seconds, as a Standard MIDI File of one track a part."""
    tempo = random.uniform(*TEMPO_BEATS_PER_MINUTE)
    bars = max(1, round(seconds * tempo / 60 / BEATS_PER_BAR))
    root, scale = int(random.integers(12)), SCALES[int(random.integers(len(SCALES)))]
    chords = []
    for _ in range(bars):
        degree = int(random.integers(len(scale)))
        chords.append([(root + scale[(degree + step) % len(scale)]) % 12 for step in CHORD_STEPS])
    score = mido.MidiFile(ticks_per_beat=TICKS_PER_BEAT)
    score.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo))]))
    for channel in range(int(random.integers(PARTS[0], PARTS[1] + 1))):
        notes = random_part(str(random.choice(ROLES)), chords, random)
        score.tracks.append(_track(notes, channel, int(random.integers(PROGRAMS)), random))
    if random.random() < DRUMS_SHARE:
        score.tracks.append(_track(random_drums(bars, random), DRUM_CHANNEL, 0, random))
    return score


def _track(notes: Sequence[Note], channel: int, program: int, random: np.random.Generator) -> mido.MidiTrack:
    modulation = int(random.integers(LARGEST_MODULATION)) if random.random() < MODULATED_SHARE else 0
    track = mido.MidiTrack(
        [
            mido.Message("program_change", channel=channel, program=program),
            mido.Message("control_change", channel=channel, control=VOLUME, value=int(random.integers(*VOLUMES))),
            mido.Message("control_change", channel=channel, control=MODULATION, value=modulation),
        ]
    )
    # Ends before begins where both fall on one tick, or a note's end would silence the next of its pitch.
    events = sorted(
        [(round(end * TICKS_PER_BEAT), 0, pitch, 0) for _, end, pitch, _ in notes]
        + [(round(begin * TICKS_PER_BEAT), 1, pitch, velocity) for begin, _, pitch, velocity in notes]
    )
    last = 0
    for tick, begins, pitch, velocity in events:
        kind = "note_on" if begins else "note_off"
        track.append(mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=tick - last))
        last = tick
    return track


def piece(score: mido.MidiFile, sound_font: Path) -> NDArray[np.float64]:
    """A score as the sound font plays it, its peak as `at_peak` sets it: [samples]. Raises ValueError where nothing is
    heard, and as `played` does."""
    written = io.BytesIO()
    score.save(file=written)
    return at_peak(played(written.getvalue(), sound_font), str(sound_font))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m models.data.scores", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sound-font", type=Path, required=True, metavar="SF2")
    add_rendering_arguments(parser, 150)
    parser.add_argument("--spdx", default="MIT", help="the sound font's licence (default: FluidR3's, %(default)s)")
    parser.add_argument("--attribution", default="FluidR3 GM, Frank Wen", help="of the sound font (%(default)s)")
    given = parser.parse_args(arguments)
    check_rendering(parser, given)
    pieces = (
        Rendering(
            f"score_{given.seed}_{index:04d}",
            piece(random_score(given.seconds, np.random.default_rng([given.seed, index])), given.sound_font),
            given.sound_font.name,
            given.spdx,
            given.attribution,
        )
        for index in tqdm(range(given.pieces), unit="piece")
    )
    try:
        write_renderings(given.out, "models.data.scores", pieces)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
