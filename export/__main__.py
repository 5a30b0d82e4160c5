"""Export a trained generator as a model bundle: python -m export --checkpoint runs/first/generator.safetensors --out
BUNDLE

Writes the streaming graph in mono and stereo with its manifest and data card, and refuses to write anything unless
each file, run hop by hop, equals the PyTorch generator run over the whole clip.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from export.bundle import DATA_CARD_NAME, write_bundle
from models.checkpoint import load_generator


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights, as models.train writes them")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle; replaced where it exists")
    parser.add_argument("--name", help="the bundle's name (default: the folder's)")
    parser.add_argument("--data-card", type=Path, help="default: data_card.csv beside the weights")
    parser.add_argument("--audio", type=Path, help="music at 48 kHz to prove the graph on (default: synthesised)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how much music the proof takes")
    options = parser.parse_args(arguments)
    generator, _ = load_generator(options.checkpoint)
    card = options.data_card or options.checkpoint.parent / DATA_CARD_NAME
    out = options.out.resolve()
    manifest = write_bundle(generator, card, out, options.name or out.name, options.seconds, options.audio)
    print(f"{'file':<16}{'bytes':>10}  {'relative error':>14}  {'largest error':>13}  {'state error':>11}")
    for file in manifest.files:
        size = (out / file.path).stat().st_size
        errors = f"{file.parity.relative_error:>14.2e}  {file.parity.largest_error:>13.2e}"
        print(f"{file.path:<16}{size:>10}  {errors}  {file.parity.state_error:>11.2e}")


if __name__ == "__main__":
    main()
