"""Where distances are computed: numpy, faiss, torch."""
