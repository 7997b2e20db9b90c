"""Storms: dense flashes in space and time, followed from step to step."""
