"""NeMo Curator's stages as specs: names, parameters and defaults. Nothing here touches a pixel."""
