"""The only code that touches containers and codecs."""
