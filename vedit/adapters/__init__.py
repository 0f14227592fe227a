"""What is put on a backbone and comes off again, to the bit: tuned tensors, LoRAs, motion modules.

Each has ``on(backbone)``, a context within which it is in force; contexts nest, and end in the opposite order. For good
it is ``apply``.
"""

from vedit.adapters.base import Attachable

__all__ = ["Attachable"]
