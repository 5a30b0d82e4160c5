"""Packaging of studiomic: what ships is the package in sdk/; the other rooms are used from a checkout."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.findall(r'^__version__ = "(.+)"$', (ROOT / "sdk/studiomic/version.py").read_text(), re.MULTILINE)[0]

TRAIN = [
    "torch==2.13.0",
    "safetensors>=0.5",
    "scipy>=1.13",
    "soxr>=0.5",
    "pyroomacoustics>=0.8",
    "mido>=1.3",
    "python-debian>=1.0",
    "tqdm>=4.66",
]
# Ranges are calibrated on music degraded as in training.
EXPORT = [
    *TRAIN,
    "onnx>=1.18",
    "onnxscript>=0.5",
    "coremltools>=9.0",
    "litert-torch>=0.10",
    "ai-edge-litert>=2.1",
    "ai-edge-quantizer>=0.10",
]
BENCH = ["matplotlib>=3.8", "visqol-python>=3.8", "psutil>=5.9", "soxr>=0.5", "scipy>=1.13"]
VIDEO = ["av>=14"]

setup(
    name="studiomic",
    version=VERSION,
    description="Makes a phone recording of music sound as a studio would have recorded it.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    package_dir={"": "sdk"},
    packages=find_packages("sdk"),
    package_data={"studiomic": ["py.typed", "bundles/*/*", "samples/*"]},
    install_requires=["numpy>=1.26", "onnxruntime>=1.20", "soundfile>=0.13", "samplerate>=0.2.2", "tqdm>=4.66"],
    extras_require={
        "tflite": ["ai-edge-litert>=2.1"],
        "coreml": ["coremltools>=9.0"],
        "video": VIDEO,
        "train": TRAIN,
        "export": EXPORT,
        "bench": BENCH,
        "dev": sorted(
            {
                *TRAIN,
                *EXPORT,
                *BENCH,
                *VIDEO,
                "visqol-python[accel]>=3.8",  # compiled: six times faster
                "pytest>=8",
                "pytest-xdist>=3.6",
                "ruff>=0.12",
                "mypy>=1.15",
                "build>=1.2",
                "setuptools>=77",
            }
        ),
    },
    entry_points={"console_scripts": ["studiomic = studiomic.command_line:main"]},
)
