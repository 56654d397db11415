"""The book of health: who can be asked now, how long to wait for them, and what they have left."""
