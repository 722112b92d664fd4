"""MiniStack with the fixes it needs, in MiniStack's own environment: stdlib and ministack only."""
