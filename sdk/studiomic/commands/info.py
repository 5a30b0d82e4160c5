"""`studiomic info`"""

from __future__ import annotations

import argparse
from pathlib import Path

from studiomic.commands.options import add_bundle_option
from studiomic.commands.table import format_table
from studiomic.manifest import LossRecord

HELP = "tell what a model bundle is, how late it is, and what taught it"
EPILOG = """examples:
  studiomic info
      the default bundle, and which others are built in
  studiomic info --bundle live
      another one
  studiomic info --bundle ./my_bundle
      a bundle of your own

parity: the relative error of the file's graph, run by what is named after it, against the generator that it was
exported from (fp32) or against the fp32 graph (reduced precisions). loss: what a reduced precision takes from the
figures in the worst scenario.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    add_bundle_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print; return the exit code."""
    import onnxruntime

    from studiomic.bundle import embedded_bundles, load_bundle
    from studiomic.hop_plan import HopPlan
    from studiomic.version import __version__

    bundle = load_bundle(arguments.bundle)
    manifest = bundle.manifest
    rate = manifest.sample_rate
    latency = HopPlan(rate, rate, manifest.hop, manifest.graph_latency).latency
    card = manifest.data_card
    facts = [
        ("studiomic", __version__),
        ("bundle", manifest.name),
        ("folder", str(bundle.folder)),
        ("built in", ", ".join(embedded_bundles())),
        ("contract", str(manifest.contract_version)),
        ("sample rate", f"{manifest.sample_rate} Hz"),
        ("hop", f"{manifest.hop} samples"),
        ("latency", f"{latency} samples, {latency / rate * 1000:.1f} ms"),
        ("runtime", f"ONNX Runtime {onnxruntime.__version__}"),
        ("taught by", f"{card.recordings} recordings"),
        *(("", f"{count} under {licence}") for licence, count in sorted(card.licences.items())),
        ("attributions", str(bundle.folder / card.path)),
    ]
    width = max(len(name) for name, _ in facts)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in facts) + "\n")
    print(
        format_table(
            ("file", "format", "precision", "channels", "size, MB", "parity", "proven with", "loss"),
            [
                (
                    file.path,
                    file.format,
                    file.precision,
                    str(file.channels),
                    f"{_size(bundle.folder / file.path) / 1e6:.2f}",
                    f"{file.parity.relative_error:.1e} over {file.parity.seconds:.1f} s",
                    file.parity.runtime,
                    _loss(file.parity.loss),
                )
                for file in manifest.files
            ],
        )
    )
    return 0


def _loss(loss: LossRecord | None) -> str:
    """What was lost, in the figures that were measured."""
    if loss is None:
        return "-"
    visqol = "" if loss.visqol is None else f", {loss.visqol:.3f} ViSQOL"
    return f"{loss.si_sdr_db:.2f} dB SI-SDR{visqol}"


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
