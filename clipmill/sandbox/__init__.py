"""Codec processes: lent, limited, killable."""
