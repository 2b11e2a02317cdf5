"""Roles of columns: by these the dataset and the report find a column, however its stage calls it."""

FILE = "file"
"""A file relative to the output: the clip's own where the encoder writes it, a window's animated WebP."""

DIGEST, SIZE = "digest", "size"
"""SHA-256 and bytes of the file that the same row names."""

CAPTION = "caption"
"""Text that describes a window."""

ENHANCED_CAPTION = "enhanced_caption"
"""A caption that was made from another one; where both are there, the report shows this one."""

STATUS = "status"
"""How the caption of the same stage turned out: ``success``, ``error``, ``skipped`` and the like."""

CARD = "card"
"""Text or number of a clip that the report shows on the clip's card."""

SOUND = "sound"
"""What became of the sound of a clip, in one word; the summary counts them."""

ERRORS = "errors"
"""JSON of several messages by name, which join the errors of a clip."""
