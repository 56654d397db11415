"""The straight line that a call walks."""
