"""Options that several subcommands share."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from studiomic.audio_checks import ChannelGroups
from studiomic.controls import Controls
from studiomic.errors import InvalidLayoutError
from studiomic.manifest import GRAPH_FORMATS, PRECISIONS

if TYPE_CHECKING:
    from studiomic.bundle import Bundle

NAMED_GROUPS: tuple[Literal["auto", "pairs", "singles"], ...] = ("auto", "pairs", "singles")


class Chosen(NamedTuple):
    """What `add_engine_options` was answered."""

    controls: Controls
    channel_groups: ChannelGroups
    bundle: Bundle
    backend: str
    precision: str
    threads: int
    providers: tuple[str, ...] | None


def add_control_options(parser: argparse.ArgumentParser) -> None:
    """--denoise, --dereverb, --extend."""
    group = parser.add_argument_group("controls", "each from 0 (leave it) to 1 (all of it, the default)")
    group.add_argument("--denoise", type=float, default=1.0, metavar="0..1", help="take noise away")
    group.add_argument("--dereverb", type=float, default=1.0, metavar="0..1", help="take the room's sound away")
    group.add_argument("--extend", type=float, default=1.0, metavar="0..1", help="give lost high frequencies back")


def add_bundle_option(parser: argparse._ActionsContainer) -> None:
    """--bundle."""
    parser.add_argument(
        "--bundle",
        metavar="NAME|PATH",
        help="model bundle: studio (the default, for recordings), live (a quarter of its delay, for monitoring and "
        "calls), another that `studiomic info` lists, or a folder",
    )


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """The controls, the model bundle and how it is run."""
    add_control_options(parser)
    group = parser.add_argument_group("model")
    add_bundle_option(group)
    group.add_argument(
        "--backend",
        default="onnx",
        metavar="NAME",
        help=f"what runs the graph: {', '.join(GRAPH_FORMATS)} (default: onnx; tflite needs: pip install "
        "'studiomic[tflite]', coreml a Mac and: pip install 'studiomic[coreml]')",
    )
    group.add_argument(
        "--precision",
        default="fp32",
        metavar="NAME",
        help=f"of the graph's weights: {', '.join(PRECISIONS)} (default: fp32)",
    )
    group.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the graph (default: 1)")
    group.add_argument(
        "--providers",
        metavar="NAMES",
        help="execution providers of ONNX Runtime, the preferred one first, such as "
        "XnnpackExecutionProvider,CPUExecutionProvider (default: the CPU)",
    )
    group.add_argument(
        "--channel-groups",
        default="auto",
        metavar="GROUPS",
        help="which channels belong together: auto (mono, one stereo pair, else singles), pairs, singles, or a list "
        "such as 0,1/2/3,4",
    )


def chosen(arguments: argparse.Namespace) -> Chosen:
    """The answers, checked, with the bundle opened. Raises InvalidControlError, InvalidLayoutError, BundleError."""
    from studiomic.bundle import load_bundle

    return Chosen(
        controls=Controls(arguments.denoise, arguments.dereverb, arguments.extend),
        channel_groups=parse_groups(arguments.channel_groups),
        bundle=load_bundle(arguments.bundle),
        backend=arguments.backend,
        precision=arguments.precision,
        threads=arguments.threads,
        providers=None if arguments.providers is None else tuple(arguments.providers.split(",")),
    )


def parse_groups(text: str) -> ChannelGroups:
    """'auto', 'pairs', 'singles', or '0,1/2' as ((0, 1), (2,)). Raises InvalidLayoutError."""
    for name in NAMED_GROUPS:
        if text == name:
            return name
    try:
        return tuple(tuple(int(channel) for channel in group.split(",")) for group in text.split("/"))
    except ValueError as error:
        raise InvalidLayoutError(
            f"--channel-groups: got '{text}', wanted {', '.join(NAMED_GROUPS)}, or channel numbers from 0 such as 0,1/2"
        ) from error


def warn(text: str) -> None:
    """One line on the error output."""
    print(f"studiomic: warning: {one_line(text)}", file=sys.stderr)


def one_line(text: str) -> str:
    """File names may hold line breaks; a message is one line."""
    return " ".join(text.split())
