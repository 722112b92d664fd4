"""The values that everything else is about, as pydantic models."""
