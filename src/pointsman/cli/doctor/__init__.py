"""What `pointsman doctor` looks at: each check returns what it found, and never raises for what it finds."""
