"""The embedded model: a supervised child process, its weights, and what else would fit this machine."""
