"""What a screen is told: a fold of the session's messages into tables, and what changed in them."""
