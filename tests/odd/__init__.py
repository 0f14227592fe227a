"""Odd inputs by the hundred, drawn from a seed: whatever is given, the command ends well or says in one line why not.

``running`` runs cases, each in a process of its own under limits; ``settings``, ``models`` and ``media`` draw them.
One alone, to look at: ``python -m tests.odd.running models 17``.
"""
