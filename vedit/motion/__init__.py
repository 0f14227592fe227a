"""Motion that is asked for: strokes drawn over a picture, and what is made of them."""
