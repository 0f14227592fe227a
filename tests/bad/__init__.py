"""What a user can get wrong, by what it is about, and what is said then: one clear line that names it and helps."""
