"""Write the golden vectors anew: python -m tests.vectors.make

Takes the frozen weights of the fixture, exports them as a bundle in every format and precision (stereo in fp32 alone),
and writes the vectors and their index. Needed where the generator's structure, the exporter or the contract has
changed; training changes nothing here. With --new-weights the fixture itself is drawn anew.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.bundle import write_bundle
from export.prover import ProofPlan
from models.data_card import write_data_card
from studiomic.manifest import Manifest, sha256_of
from tests.support.vectors import (
    BUNDLE_NAME,
    FORMAT_VERSION,
    INDEX_NAME,
    HopCase,
    Index,
    Tolerance,
    Vector,
    bundle_hashes,
    write_vector,
)
from tests.vectors.cases import CASES, LOUD, inputs
from tests.vectors.fixture import CONFIG, FOLDER, WEIGHTS, frozen_generator, new_generator, write_weights
from tests.vectors.reference import ReferenceGraph, stream_output
from tests.vectors.sound import sound

CHANNEL_NAMES = {1: "mono", 2: "stereo"}
PROOF_SECONDS = 3.0
TOLERANCES = {
    "fp32": Tolerance(largest_error=1e-4, relative_error=1e-4, state_relative_error=1e-4),
    "fp16": Tolerance(largest_error=5e-3, relative_error=3e-3, state_relative_error=3e-3),
    "int8": Tolerance(largest_error=5e-2, relative_error=3e-2, state_relative_error=3e-2),
}
"""By precision: the proof's own bounds for fp32, 50 dB below the signal for fp16, 30 dB for int8."""
HOP_CONTROLS = (1.0, 0.5, 0.75)

Keep = Callable[[str, NDArray[Any], str], str]
"""Write a vector of that name, and give the name back."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vectors.make", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--new-weights", action="store_true", help="draw the fixture's weights anew")
    options = parser.parse_args(arguments)
    if options.new_weights:
        write_weights(new_generator())
    index = write_vectors(FOLDER)
    total = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.suffix not in (".py", ".pyc"))
    print(f"{len(index.vectors)} vectors, {len(index.bundle)} files in the bundle, {total} bytes in all")


def write_vectors(folder: Path) -> Index:
    """Write bundle, vectors and index into `folder`, in place of those there."""
    generator = frozen_generator()
    for stale in folder.glob("*.f32"):
        stale.unlink()
    bundle = folder / BUNDLE_NAME
    card = folder / "data_card.csv"
    write_data_card(card, [])  # no recording taught it anything
    try:
        manifest = write_bundle(generator, card, bundle, "fixture", ProofPlan(seconds=PROOF_SECONDS, visqol=False))
    finally:
        card.unlink()
    manifest = thinned(manifest, bundle)
    graphs = {channels: ReferenceGraph(generator, channels) for channels in CHANNEL_NAMES}
    vectors: dict[str, Vector] = {}

    def keep(name: str, values: NDArray[Any], holds: str) -> str:
        vectors[name] = write_vector(folder, name, values.astype(np.float32), holds)
        return name

    sounds = inputs()
    for name, samples in sounds.items():
        keep(name, samples, "input of the streams [samples, channels]")
    hops = [_hop_case(graph, channels, start, keep) for channels, graph in graphs.items() for start in (0, LOUD)]
    for case in CASES:
        output = stream_output(graphs[case.channels], case, sounds[case.input])
        keep(case.output, output, f"all that the stream '{case.name}' gives [samples, channels]")
    index = Index(
        format_version=FORMAT_VERSION,
        sample_rate=CONFIG.sample_rate,
        hop=CONFIG.hop,
        latency=graphs[1].latency,
        bundle=bundle_hashes(bundle),
        weights_sha256=sha256_of(WEIGHTS),
        tolerances={name: TOLERANCES[name] for name in sorted({file.precision for file in manifest.files})},
        vectors=vectors,
        hops=tuple(hops),
        streams=CASES,
    )
    (folder / INDEX_NAME).write_text(index.to_json(), encoding="utf-8")
    return index


def thinned(manifest: Manifest, bundle: Path) -> Manifest:
    """The bundle without stereo files in reduced precisions, whose arithmetic mono files show: all stays small."""
    left_out = [file for file in manifest.files if file.channels > 1 and file.precision != "fp32"]
    for file in left_out:
        path = bundle / file.path
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    kept = replace(manifest, files=tuple(file for file in manifest.files if file not in left_out))
    kept.write(bundle)
    return kept


def _hop_case(graph: ReferenceGraph, channels: int, start: int, keep: Keep) -> HopCase:
    """The hop of the sound after the first `start` samples, cut to whole hops."""
    name = f"hop_{CHANNEL_NAMES[channels]}_{'first' if start == 0 else 'warm'}"
    hops = start // CONFIG.hop
    music = sound(channels).T.astype(np.float64)
    controls = np.array([HOP_CONTROLS])
    state = graph.zero_state()
    for index in range(hops):
        _, state = graph.hop(_hop_of(music, index), controls, state)
    # The state that the file holds is the one in float32, so that is what the hop must start from.
    state = state.astype(np.float32).astype(np.float64)
    audio = _hop_of(music, hops)
    enhanced, next_state = graph.hop(audio, controls, state)
    inputs = {"audio": audio, "controls": controls, "state_0": state}
    outputs = {"enhanced": enhanced, "next_state_0": next_state}
    return HopCase(
        name=name,
        holds="the first hop, from states of zero" if start == 0 else f"a hop in the middle, after {hops} others",
        channels=channels,
        inputs={tensor: keep(f"{name}_{tensor}", values, f"{tensor} of '{name}'") for tensor, values in inputs.items()},
        outputs={
            tensor: keep(f"{name}_{tensor}", values, f"{tensor} of '{name}'") for tensor, values in outputs.items()
        },
    )


def _hop_of(music: NDArray[np.float64], index: int) -> NDArray[np.float64]:
    """Hop `index` of [channels, samples], in memory of its own."""
    return np.ascontiguousarray(music[:, index * CONFIG.hop : (index + 1) * CONFIG.hop])


if __name__ == "__main__":
    main()
