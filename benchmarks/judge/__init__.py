"""An attribute judge: says what a frame of the world shows, and where. Trained apart from the miniature.

``load_judge()`` gives the trained network; ``python -m benchmarks.judge.train`` makes it again.
"""

from benchmarks.judge.judge import Judge, load_judge
from benchmarks.judge.reading import BROKEN, Seen, View

__all__ = ["BROKEN", "Judge", "Seen", "View", "load_judge"]
