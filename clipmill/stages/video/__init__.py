"""Stages of the video modality."""
