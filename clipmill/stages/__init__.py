"""The documents' stages as specs: names, parameters and defaults. Nothing here touches a pixel."""
