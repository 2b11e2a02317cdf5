"""Coded bytes: access units, NAL units, headers, key pictures, digests."""
