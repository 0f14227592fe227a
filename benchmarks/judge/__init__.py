"""An attribute judge: says what a frame of the world shows, and where. Trained apart from the miniature.

``load_judge()`` gives the trained network; ``python -m benchmarks.judge.train`` makes it again.
"""

from benchmarks.judge.model import Judge, Verdict, load_judge

__all__ = ["Judge", "Verdict", "load_judge"]
