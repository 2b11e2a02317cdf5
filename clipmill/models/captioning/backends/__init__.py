"""What answers: transformers or vLLM in this process, or an endpoint."""
