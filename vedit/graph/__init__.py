"""Results that are named before they are made: what they are, where they are kept, making them."""

from vedit.graph.run import Plan, Run, plan
from vedit.graph.stage import Stage, TensorStage
from vedit.graph.store import Store
from vedit.graph.work import Work

__all__ = ["Plan", "Run", "Stage", "Store", "TensorStage", "Work", "plan"]
