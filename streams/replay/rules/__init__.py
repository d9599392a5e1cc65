"""Rules tried in the small: their own tests, what they come to, what they remember."""
