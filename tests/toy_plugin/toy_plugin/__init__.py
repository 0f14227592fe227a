"""Parts that another package brings to vedit."""
