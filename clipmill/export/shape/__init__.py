"""What a sample's video is: frames, rate and size, and what trainers take. Pure."""
