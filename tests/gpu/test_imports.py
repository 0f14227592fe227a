"""What runs on a machine lent for its GPU must be importable there."""

import subprocess
import sys

ABSENT = ("av", "cv2", "librosa", "soundfile", "moviepy", "imageio_ffmpeg", "controlnet_aux")
"""Packages too large to bring along, or with binaries of their own."""

SCRIPT = """
import sys
sys.modules |= dict.fromkeys({absent}, None)
import benchmarks.gpu, tests.gpu.test_cuda
"""


def test_what_is_for_the_gpu_needs_no_library_for_media() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(absent=ABSENT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
