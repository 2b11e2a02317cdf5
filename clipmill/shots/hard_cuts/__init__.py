"""Cuts from one frame to the next, and what looks alike: jolts of the camera, gestures, fast motion."""
