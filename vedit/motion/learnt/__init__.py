"""What is learnt of strokes: a network that completes their flow, and a ControlNet that draws frames along it."""
