"""What a config becomes: each pipeline reads straight down, from settings to files."""
