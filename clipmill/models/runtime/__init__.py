"""What models run on: devices, batches, installed libraries."""
