"""A short piece of music as data, and the MIDI file of it.

"Window Seat", composed for this project: four bars in D minor at 96 beats a minute and a last chord. Drums with hi-hat,
ride and crash (the highs that a poor microphone loses), fingered bass, a steel guitar's arpeggios and a piano's melody.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

BEATS_PER_MINUTE = 96
TICKS_PER_BEAT = 480
DRUM_CHANNEL = 9
"""General MIDI: what is played on this channel are drums."""

SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
DRUMS = {"kick": 36, "snare": 38, "closed_hat": 42, "open_hat": 46, "crash": 49, "ride": 51, "shaker": 82}


@dataclass(frozen=True)
class Part:
    """One instrument: its General MIDI program (counted from 0), its volume (0 to 127), and its notes.

    A note is "pitches:beats:velocity"; pitches are joined by "+", "-" is a rest; "!" after the beats lets the note ring
    for `ring` beats more while the next begins.
    """

    name: str
    channel: int
    program: int
    volume: int
    bars: tuple[str, ...]
    ring: float = 0.0


PIANO = Part(
    "piano", 0, 0, 112,
    (
        "-:0.5:0 A4:0.5:78 D5:1:92 E5:0.5:80 F5:1:96 E5:0.5:76",
        "D5:1.5:90 C5:0.5:76 A4:1:84 F4+D4:1:74",
        "-:0.5:0 A4:0.5:80 C5:1:90 E5:0.5:84 G5:1:102 A5:0.5:92",
        "G5:0.75:98 E5:0.75:86 D5:0.5:80 E5+A4:1:92 C#5+G4:1:84",
        "D5+F5+A4:2.5:88",
    ),
    ring=0.1,
)  # fmt: skip
GUITAR = Part(
    "steel guitar", 1, 25, 100,
    (
        "D3:0.5:88 A3:0.5:70 E4:0.5:74 F4:0.5:80 A4:0.5:72 F4:0.5:66 E4:0.5:70 A3:0.5:64",
        "Bb2:0.5:88 F3:0.5:70 D4:0.5:74 A4:0.5:82 F4:0.5:70 D4:0.5:66 A3:0.5:68 D4:0.5:64",
        "F3:0.5:88 C4:0.5:70 E4:0.5:74 G4:0.5:80 A4:0.5:76 G4:0.5:68 E4:0.5:70 C4:0.5:64",
        "C3:0.5:88 G3:0.5:70 E4:0.5:76 G4:0.5:74 A2:0.5:86 G3:0.5:72 C#4:0.5:76 E4:0.5:72",
        "D3+A3+E4+F4:2.5:84",
    ),
    ring=1.0,
)  # fmt: skip
BASS = Part(
    "fingered bass", 2, 33, 110,
    (
        "D2:1.5:100 D2:0.5:78 A1:1:88 C2:0.5:80 D2:0.5:82",
        "Bb1:1.5:100 Bb1:0.5:78 F2:1:88 D2:0.5:80 C2:0.5:78",
        "F1:1.5:100 F1:0.5:78 C2:1:88 E2:0.5:80 F2:0.5:82",
        "C2:1.5:98 E2:0.5:80 A1:1:94 E2:0.5:82 C#2:0.5:84",
        "D2:2.5:100",
    ),
)  # fmt: skip
HATS = Part(
    "hi-hat and ride", DRUM_CHANNEL, 0, 108,
    (
        "closed_hat:0.5:84 closed_hat:0.5:58 closed_hat:0.5:78 closed_hat:0.25:60 closed_hat:0.25:46 "
        "closed_hat:0.5:84 closed_hat:0.5:58 closed_hat:0.5:76 open_hat:0.5:74",
        "closed_hat:0.5:84 closed_hat:0.5:58 closed_hat:0.5:78 closed_hat:0.5:62 "
        "closed_hat:0.5:84 closed_hat:0.25:58 closed_hat:0.25:48 closed_hat:0.5:76 open_hat:0.5:78",
        "ride:0.5:86 ride:0.5:60 ride:0.5:80 ride:0.5:64 ride:0.5:86 ride:0.5:60 ride:0.5:80 ride:0.5:66",
        "ride:0.5:88 ride:0.5:62 ride:0.5:82 ride:0.5:66 ride:0.5:88 ride:0.5:64 open_hat:0.5:84 closed_hat:0.5:70",
        "-:2.5:0",
    ),
)  # fmt: skip
KIT = Part(
    "kick, snare and crash", DRUM_CHANNEL, 0, 108,
    (
        "kick+crash:1:92 snare:1:86 kick:0.5:88 kick:0.5:72 snare:1:90",
        "kick:1:96 snare:1:86 -:0.5:0 kick:0.5:84 snare:0.75:90 snare:0.25:40",
        "kick+crash:1:88 snare:1:86 kick:0.5:88 kick:0.5:72 snare:1:90",
        "kick:1:96 snare:1:86 kick:0.5:90 snare:0.25:60 snare:0.25:70 snare:0.5:84 snare:0.5:96",
        "kick+crash:2.5:104",
    ),
)  # fmt: skip
SHAKER = Part(
    "shaker", DRUM_CHANNEL, 0, 108,
    (*("shaker:0.25:62 shaker:0.25:34 shaker:0.25:50 shaker:0.25:34 " * 4,) * 4, "-:2.5:0"),
)  # fmt: skip
PARTS = (PIANO, GUITAR, BASS, HATS, KIT, SHAKER)


def midi_file(parts: tuple[Part, ...] = PARTS) -> bytes:
    """The parts as a Standard MIDI File of format 1, one track a part.

    Source: The MIDI Association, "Standard MIDI Files Specification", RP-001.
    """
    microseconds_per_beat = round(60e6 / BEATS_PER_MINUTE)
    tempo = _track([(0, b"\xff\x51\x03" + microseconds_per_beat.to_bytes(3))])
    header = b"MThd" + struct.pack(">IHHH", 6, 1, 1 + len(parts), TICKS_PER_BEAT)
    return header + tempo + b"".join(_track(_events(part)) for part in parts)


def _events(part: Part) -> list[tuple[int, bytes]]:
    """MIDI messages at their ticks: the program, the volume (controller 7), each note's begin and end.

    A note that still rings when its pitch is struck again ends there, or its end would end the new one.
    """
    begins: list[tuple[int, bytes]] = []
    ends: dict[int, list[int]] = {}
    beat = 0.0
    for note in " ".join(part.bars).split():
        pitches, beats, velocity = note.split(":")
        begin, end = round(beat * TICKS_PER_BEAT), round((beat + float(beats) + part.ring) * TICKS_PER_BEAT)
        for pitch in [] if pitches == "-" else pitches.split("+"):
            number = DRUMS[pitch] if part.channel == DRUM_CHANNEL else _pitch_number(pitch)
            begins.append((begin, bytes([0x90 | part.channel, number, int(velocity)])))
            before = ends.setdefault(number, [])
            before[-1:] = [min(tick, begin) for tick in before[-1:]]
            before.append(end)
        beat += float(beats)
    settings = [(0, bytes([0xC0 | part.channel, part.program])), (0, bytes([0xB0 | part.channel, 7, part.volume]))]
    endings = [(tick, bytes([0x80 | part.channel, number, 0])) for number, ticks in ends.items() for tick in ticks]
    return sorted([*settings, *endings, *begins], key=lambda event: event[0])  # at one tick, ends before begins


def _pitch_number(pitch: str) -> int:
    """Middle C, "C4", is 60."""
    match = re.fullmatch(r"([A-G])([#b]?)(\d)", pitch)
    if match is None:
        raise ValueError(f"{pitch!r} is no pitch: a letter A to G, # or b, and an octave were wanted, such as C#4.")
    letter, sign, octave = match.groups()
    return 12 * (int(octave) + 1) + SEMITONES[letter] + {"#": 1, "b": -1, "": 0}[sign]


def _track(events: list[tuple[int, bytes]]) -> bytes:
    """A track chunk: each message after the ticks since the one before, and the end of the track."""
    data, last = b"", 0
    for tick, message in events:
        data += _variable_length(tick - last) + message
        last = tick
    data += b"\x00\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(data)) + data


def _variable_length(value: int) -> bytes:
    """Seven bits a byte, the highest first; all but the last byte have their top bit set."""
    data = [value & 0x7F]
    while value := value >> 7:
        data.append(0x80 | (value & 0x7F))
    return bytes(reversed(data))
